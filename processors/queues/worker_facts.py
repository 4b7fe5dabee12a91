"""The workers that Redis lists, as each last described itself."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from redis.exceptions import RedisError
from rq.utils import utcparse

from processors.queues.job_facts import JobFacts, read_jobs
from processors.queues.line import aware, line, text

WORKERS = "rq:workers"
WORKER_PREFIX = "rq:worker:"
OURS = "recordmill"  # the field of a worker's hash that ours add


@dataclass(frozen=True)
class WorkerFacts:
    """A worker as it last described itself; one that ended without a word has only a name."""

    name: str
    is_known: bool = False
    host: str = ""
    pid: str = ""
    ip_address: str = ""
    state: str = ""
    queues: tuple[str, ...] = ()
    born_at: datetime | None = None
    heard_at: datetime | None = None
    leaving_since: datetime | None = None
    job: JobFacts | None = None
    succeeded: int = 0
    failed: int = 0
    working_seconds: float = 0.0
    version: str = ""
    python_version: str = ""
    # What only our workers tell; None for another's.
    handlers: tuple[str, ...] | None = None
    variables: frozenset[str] | None = None  # marks of what options may name, see roll_call
    code: str = ""
    zones: str = ""
    clock_ahead_seconds: float = 0.0


def look_at_workers() -> list[WorkerFacts]:
    """Every worker that Redis lists."""
    names = sorted(text(key).removeprefix(WORKER_PREFIX) for key in line().smembers(WORKERS))
    with line().pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.hgetall(f"{WORKER_PREFIX}{name}")
        hashes = pipeline.execute()
    jobs = {
        job.id: job
        for job in read_jobs(text(raw[b"current_job"]) for raw in hashes if b"current_job" in raw)
    }
    return [read_worker(name, raw, jobs) for name, raw in zip(names, hashes, strict=True)]


def listeners(queue_name: str) -> int:
    """How many workers listen to a queue, without those that ended without a word.

    Raises RedisError.
    """
    keys = line().smembers(f"{WORKERS}:{queue_name}")
    return int(line().exists(*keys)) if keys else 0


@dataclass(frozen=True)
class Crew:
    """How many workers listen to our queues, and how many of these are at work."""

    workers: int
    busy: int


def crew() -> Crew | None:
    """Each worker once, to however many queues it listens; without those that ended without a word.

    None where Redis does not answer.
    """
    try:
        keys = line().sunion([f"{WORKERS}:{name}" for name in settings.QUEUES])
        with line().pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.hget(key, "state")
            states = [text(state) for state in pipeline.execute() if state is not None]
    except (RedisError, OSError):
        return None
    return Crew(len(states), states.count("busy"))


def read_worker(name: str, raw: Mapping[bytes, bytes], jobs: Mapping[str, JobFacts]) -> WorkerFacts:
    """One worker from its hash."""
    told = {text(key): text(value) for key, value in raw.items()}
    ours = read_ours(told.get(OURS, ""))
    return WorkerFacts(
        name=name,
        is_known=bool(told.get("birth")),
        host=told.get("hostname", ""),
        pid=told.get("pid", ""),
        ip_address=told.get("ip_address", ""),
        state=told.get("state", ""),
        queues=tuple(filter(None, told.get("queues", "").split(","))),
        born_at=moment(told.get("birth")),
        heard_at=moment(told.get("last_heartbeat")),
        leaving_since=moment(told.get("shutdown_requested_date")),
        job=jobs.get(told.get("current_job", "")),
        succeeded=int(told.get("successful_job_count") or 0),
        failed=int(told.get("failed_job_count") or 0),
        working_seconds=float(told.get("total_working_time") or 0),
        version=told.get("version", ""),
        python_version=told.get("python_version", ""),
        handlers=tuple(ours["handlers"]) if "handlers" in ours else None,
        variables=frozenset(ours["variables"]) if "variables" in ours else None,
        code=str(ours.get("code", "")),
        zones=str(ours.get("zones", "")),
        clock_ahead_seconds=float(ours.get("ahead", 0.0)),
    )


def read_ours(written: str) -> dict[str, Any]:
    """What a worker of ours tells of itself; nothing of another's."""
    try:
        told = json.loads(written)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def moment(written: str | None) -> datetime | None:
    """A time as RQ writes it; None for none and for nonsense."""
    try:
        return aware(utcparse(written)) if written else None
    except ValueError:
        return None
