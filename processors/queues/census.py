"""All that Redis knows of queues, jobs and workers at once, read without changing anything.

Entry point: `survey`; jobs and workers by themselves are in `job_facts` and `worker_facts`.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.conf import settings
from redis.exceptions import RedisError
from rq.suspension import WORKERS_SUSPENDED

from processors.queues.job_facts import REGISTRIES, read_jobs
from processors.queues.line import kind_of, line, text
from processors.queues.worker_facts import WorkerFacts, look_at_workers


@dataclass(frozen=True)
class QueueFacts:
    """A queue: how many wait, since when the first one does, and how many jobs are elsewhere."""

    name: str
    waiting: int
    oldest_at: datetime | None
    registries: dict[str, int]
    workers: int
    is_ours: bool


@dataclass(frozen=True)
class ServerFacts:
    """The Redis server."""

    version: str = ""
    policy: str = ""
    used_bytes: int = 0
    max_bytes: int = 0
    clients: int = 0
    uptime_seconds: int = 0
    ping_ms: float = 0.0


@dataclass(frozen=True)
class Survey:
    """What there is; only `error` (the kind of trouble) where Redis does not answer."""

    error: str = ""
    server: ServerFacts = ServerFacts()
    queues: list[QueueFacts] = field(default_factory=list)
    workers: list[WorkerFacts] = field(default_factory=list)
    is_suspended: bool = False


def are_suspended() -> bool:
    """Whether workers take no further job until somebody resumes them."""
    return bool(line().exists(WORKERS_SUSPENDED))


def survey() -> Survey:
    """All of it; never raises."""
    try:
        workers = look_at_workers()
        return Survey(
            server=look_at_server(),
            queues=look_at_queues(workers),
            workers=workers,
            is_suspended=are_suspended(),
        )
    except (RedisError, OSError) as error:
        return Survey(error=kind_of(error))


def look_at_server() -> ServerFacts:
    """Version, memory, and how long it takes to answer."""
    info: dict[str, Any] = line().info()
    began = time.monotonic()
    line().ping()
    return ServerFacts(
        ping_ms=(time.monotonic() - began) * 1000,
        version=str(info.get("redis_version", "")),
        policy=str(info.get("maxmemory_policy", "noeviction")),
        used_bytes=int(info.get("used_memory", 0)),
        max_bytes=int(info.get("maxmemory", 0)),
        clients=int(info.get("connected_clients", 0)),
        uptime_seconds=int(info.get("uptime_in_seconds", 0)),
    )


def look_at_queues(workers: Sequence[WorkerFacts]) -> list[QueueFacts]:
    """Each with its jobs and who listens; in the order of `queue_names`."""
    names = queue_names()
    with line().pipeline(transaction=False) as pipeline:
        for name in names:
            for key in REGISTRIES.values():
                pipeline.zcard(key.format(name))
        counts = pipeline.execute()
    width = len(REGISTRIES)
    return [
        QueueFacts(
            name=name,
            waiting=waiting,
            oldest_at=oldest_at,
            registries=dict(zip(REGISTRIES, counts[at * width : (at + 1) * width], strict=True)),
            workers=sum(name in worker.queues for worker in workers),
            is_ours=name in settings.QUEUES,
        )
        for at, (name, (waiting, oldest_at)) in enumerate(
            zip(names, waiting_in(names), strict=True)
        )
    ]


def queue_names() -> list[str]:
    """Ours in the order of the settings, then whatever else has ever been used."""
    known = {text(key).removeprefix("rq:queue:") for key in line().smembers("rq:queues")}
    return [*settings.QUEUES, *sorted(known - set(settings.QUEUES))]


def waiting_in(names: Sequence[str]) -> list[tuple[int, datetime | None]]:
    """How many jobs wait in each of these queues, and since when the next one does.

    None where none waits, or where nobody knows. Raises RedisError.
    """
    with line().pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.llen(f"rq:queue:{name}")
            pipeline.lindex(f"rq:queue:{name}", 0)
        answers = pipeline.execute()
    pairs = zip(answers[::2], answers[1::2], strict=True)
    rows = [(int(waiting), text(first or "")) for waiting, first in pairs]
    since = {job.id: job.enqueued_at for job in read_jobs(first for _, first in rows if first)}
    return [(waiting, since.get(first)) for waiting, first in rows]
