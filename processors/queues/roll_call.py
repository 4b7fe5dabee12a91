"""What each worker tells of itself in Redis, beside what RQ notes there.

`own_facts` is written by workers and read by `worker_facts`; `other_workers` asks who else is
there. An entry runs out by itself when its worker is silent.
"""

import hashlib
import json
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from django.conf import settings
from redis.exceptions import RedisError

from processors.handlers import registry
from processors.queues.worker_facts import WorkerFacts, look_at_workers


def own_facts(redis_time: float) -> str:
    """This process's handlers, variables, code, time zones, and its clock against Redis's, as JSON.

    Of the variables only marks are told: what a host is set up with is nobody's business.
    """
    return json.dumps(
        {
            "handlers": [handler.name for handler in registry.all()],
            "variables": sorted(map(mark_of, settings.OPTION_VARIABLES)),
            "code": code_digest(),
            "zones": zones_version(),
            "ahead": round(time.time() - redis_time, 3),
        }
    )


def mark_of(variable: str) -> str:
    """Stands for the name of a variable, to be compared and not to be read."""
    return hashlib.sha256(variable.encode()).hexdigest()[:12]


def code_digest() -> str:
    """Names the code of Recordmill and of the handlers' apps that runs here."""
    found = hashlib.sha256(sys.version.encode())
    for name in sorted({"processors", *settings.HANDLER_APPS}):
        for place in sorted(getattr(sys.modules.get(name), "__path__", ())):
            for file in sorted(Path(place).rglob("*.py")):
                found.update(str(file.relative_to(place)).encode() + file.read_bytes())
    return found.hexdigest()[:12]


def zones_version() -> str:
    """The release of the time zones' rules: the package's, else the system's."""
    try:
        return version("tzdata")
    except PackageNotFoundError:
        file = Path("/usr/share/zoneinfo/tzdata.zi")
        return (
            file.read_text().partition("\n")[0].removeprefix("# version ") if file.exists() else ""
        )


def other_workers(queue_name: str, own_name: str) -> list[WorkerFacts] | None:
    """Live workers on a queue but for our own; None where Redis does not answer."""
    try:
        found: Any = look_at_workers()
    except (RedisError, OSError):
        return None
    return [
        each
        for each in found
        if each.is_known and queue_name in each.queues and each.name != own_name
    ]
