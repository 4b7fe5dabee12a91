"""Who works: what each worker tells of itself in Redis, beside what RQ notes there.

Live workers only: an entry runs out by itself when its worker is silent.
"""

import hashlib
import json
import sys
import time
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from django.conf import settings
from redis.exceptions import RedisError

from processors.handlers import registry
from processors.queues.wakeups import queue

FIELD = "recordmill"  # of a worker's hash in Redis


@dataclass(frozen=True)
class WorkerFacts:
    """A live worker. `handlers` and what follows are None or empty for one that is not ours."""

    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    handlers: tuple[str, ...] | None = None
    code: str = ""
    zones: str = ""
    clock_ahead_seconds: float | None = None


def own_facts(redis_time: float) -> str:
    """What this process tells: its handlers, code, time zones, and its clock against Redis's."""
    return json.dumps(
        {
            "handlers": [handler.name for handler in registry.all()],
            "code": code_digest(),
            "zones": zones_version(),
            "ahead": round(time.time() - redis_time, 3),
        }
    )


def code_digest() -> str:
    """Names the code of Recordmill and of the handlers' apps that runs here."""
    found = hashlib.sha256(sys.version.encode())
    names = {"processors", *settings.HANDLER_APPS}
    for name in sorted(names):
        module = sys.modules.get(name)
        for place in sorted(getattr(module, "__path__", ())):
            for file in sorted(Path(place).rglob("*.py")):
                found.update(str(file.relative_to(place)).encode() + file.read_bytes())
    return found.hexdigest()[:12]


def zones_version() -> str:
    """The release of the time zones' rules: the package's, else the system's."""
    try:
        return version("tzdata")
    except PackageNotFoundError:
        file = Path("/usr/share/zoneinfo/tzdata.zi")
        return file.open().readline().strip().removeprefix("# version ") if file.exists() else ""


def workers() -> list[WorkerFacts]:
    """Every live worker, sorted by name. Raises RedisError."""
    from processors.queues.worker import SafeWorker

    connection = queue("default").connection
    keys = sorted(SafeWorker.all_keys(connection=connection))
    pipeline = connection.pipeline(transaction=False)
    for key in keys:
        pipeline.hgetall(key)
    return [
        facts_of(key, hash_)
        for key, hash_ in zip(keys, pipeline.execute(), strict=True)
        if hash_ and b"death" not in hash_
    ]


def facts_of(key: str, raw: dict[bytes, bytes]) -> WorkerFacts:
    """One worker from its hash."""
    text = {name.decode(): value.decode(errors="replace") for name, value in raw.items()}
    told = told_facts(text.get(FIELD, ""))
    return WorkerFacts(
        name=key.rpartition(":")[2],
        host=text.get("hostname", ""),
        pid=int(text["pid"]) if text.get("pid", "").isdigit() else 0,
        queues=tuple(name for name in text.get("queues", "").split(",") if name),
        handlers=tuple(told["handlers"]) if "handlers" in told else None,
        code=str(told.get("code", "")),
        zones=str(told.get("zones", "")),
        clock_ahead_seconds=told.get("ahead"),
    )


def told_facts(text: str) -> dict[str, Any]:
    """What a worker told; nothing where it is not one of ours."""
    try:
        told = json.loads(text)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def other_workers(queue_name: str, own_name: str) -> list[WorkerFacts] | None:
    """Live workers on a queue but for our own; None where Redis does not answer."""
    try:
        found = workers()
    except (RedisError, OSError):
        return None
    return [each for each in found if queue_name in each.queues and each.name != own_name]
