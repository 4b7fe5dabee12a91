"""Everything about queues, jobs and workers that Redis knows, read without changing anything.

RQ's own ways of asking clean registries on the side, which may run callbacks; here only keys are
read, in a few round trips. Entry points: `survey`, `jobs_of`. Both give up after a second.
"""

import json
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import NoPermissionError, RedisError
from rq.suspension import WORKERS_SUSPENDED
from rq.utils import utcparse

from processors.queues.job import WORK, SafeJob
from processors.queues.patience import OnceForARequest

PATIENCE_SECONDS = 1
WAITING = "queued"
REGISTRIES = {
    "started": "rq:wip:{}",
    "deferred": "rq:deferred:{}",
    "finished": "rq:finished:{}",
    "failed": "rq:failed:{}",
    "scheduled": "rq:scheduled:{}",
    "canceled": "rq:canceled:{}",
}
WORKERS = "rq:workers"
WORKER_PREFIX = "rq:worker:"
SCHEDULER_PREFIX = "rq:scheduler_instance:"
PROBE = "rq:recordmill:probe"
NEEDED: tuple[tuple[str, ...], ...] = (
    ("LPUSH", PROBE, "x"),
    ("RPOP", PROBE),
    ("HSET", PROBE, "x", "x"),
    ("DEL", PROBE),
    ("SADD", PROBE, "x"),
    ("SREM", PROBE, "x"),
    ("ZADD", PROBE, "1", "x"),
    ("EXPIRE", PROBE, "1"),
    ("PUBLISH", PROBE, "x"),
)
OURS = "recordmill"  # the field of a worker's hash that ours add


@dataclass(frozen=True)
class JobFacts:
    """A job as it lies in Redis; `problem` says why it is not one of ours."""

    id: str
    name: str = ""
    run_id: int | None = None
    description: str = ""
    status: str = ""
    worker: str = ""
    created_at: datetime | None = None
    enqueued_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str = ""
    problem: str = ""


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


@cache
def line() -> Any:
    """A connection for looking and for operators' acts: it does not let a person wait."""
    return Redis.from_url(
        settings.REDIS_URL,
        socket_connect_timeout=PATIENCE_SECONDS,
        socket_timeout=PATIENCE_SECONDS,
        # Once more where an idle connection was closed meanwhile; never after a timeout.
        retry=OnceForARequest(NoBackoff(), 1, supported_errors=(Disconnected,)),
    )


def survey() -> Survey:
    """All of it; never raises."""
    try:
        workers = look_at_workers()
        return Survey(
            server=look_at_server(),
            queues=look_at_queues(workers),
            workers=workers,
            is_suspended=bool(line().exists(WORKERS_SUSPENDED)),
        )
    except (RedisError, OSError) as error:
        return Survey(error=kind_of(error))


def kind_of(error: Exception) -> str:
    """The kind of trouble only: its text may hold an address."""
    is_name = isinstance(error.__cause__ or error.__context__, socket.gaierror)
    return "UnknownHost" if is_name else type(error).__name__


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


# Queues


def look_at_queues(workers: Sequence[WorkerFacts]) -> list[QueueFacts]:
    """Ours in the order of the settings, then whatever else has ever been used."""
    known = {text(key).removeprefix("rq:queue:") for key in line().smembers("rq:queues")}
    names = [*settings.QUEUES, *sorted(known - set(settings.QUEUES))]
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


# Jobs


def jobs_of(queue_name: str, place: str, first: int, count: int) -> tuple[list[JobFacts], int]:
    """Some jobs of a queue or of one of its registries, and how many there are in all.

    Waiting ones in the order in which they are taken, others the newest first. Raises RedisError.
    """
    if place == WAITING:
        key = f"rq:queue:{queue_name}"
        ids, total = line().lrange(key, first, first + count - 1), line().llen(key)
    else:
        key = REGISTRIES[place].format(queue_name)
        ids, total = line().zrevrange(key, first, first + count - 1), line().zcard(key)
    # The registry of started jobs names executions: job and execution with a colon between.
    wanted = [text(raw).partition(":")[0] for raw in ids]
    return list(read_jobs(wanted, with_errors=place == "failed")), int(total)


def read_jobs(ids: Iterable[str], *, with_errors: bool = False) -> list[JobFacts]:
    """Jobs by their ids; one that is gone or unreadable says so."""
    wanted = list(ids)
    with line().pipeline(transaction=False) as pipeline:
        for job_id in wanted:
            pipeline.hgetall(SafeJob.key_for(job_id))
        hashes = pipeline.execute()
    return [
        read_job(job_id, raw, with_error=with_errors)
        for job_id, raw in zip(wanted, hashes, strict=True)
    ]


def read_job(job_id: str, raw: Mapping[bytes, bytes], *, with_error: bool) -> JobFacts:
    """One job; nothing in it is ever called."""
    if not raw:
        return JobFacts(job_id, problem=_("its job is gone"))
    job: Any = SafeJob(job_id, connection=line())
    try:
        job.restore(raw)
        name, arguments = str(job.func_name), job.args
        job.check()
    except (RedisError, OSError):
        raise
    except Exception as error:
        return JobFacts(job_id, problem=str(error) or type(error).__name__)
    return JobFacts(
        id=job_id,
        name=name,
        run_id=arguments[0] if name == WORK and isinstance(arguments[0], int) else None,
        description=str(job.description or ""),
        status=text(raw.get(b"status", b"")),
        worker=str(job.worker_name or ""),
        created_at=aware(job.created_at),
        enqueued_at=aware(job.enqueued_at),
        started_at=aware(job.started_at),
        ended_at=aware(job.ended_at),
        error=last_error(job) if with_error else "",
    )


def last_error(job: Any) -> str:
    """Why a job failed, as RQ keeps it."""
    result = job.latest_result()
    return str(getattr(result, "exc_string", "") or "")


# Workers


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
    keys = line().smembers(f"rq:workers:{queue_name}")
    return int(line().exists(*keys)) if keys else 0


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


def foreign_schedulers() -> list[str]:
    """Names of rq-scheduler's own processes: ours leaves no such key. Raises RedisError."""
    keys = line().scan_iter(match=f"{SCHEDULER_PREFIX}*", count=1000)
    return sorted(text(key).removeprefix(SCHEDULER_PREFIX) for key in keys)


def forget_worker(name: str) -> None:
    """Take the name of a worker that ended without a word off RQ's lists. Raises RedisError."""
    key = f"{WORKER_PREFIX}{name}"
    with line().pipeline() as pipeline:
        for place in (WORKERS, *(f"{WORKERS}:{queue}" for queue in settings.QUEUES)):
            pipeline.srem(place, key)
        pipeline.execute()


def clock_ahead_seconds() -> float:
    """How far Redis's clock is ahead of this machine's. Raises RedisError."""
    seconds, micros = line().time()
    return float(seconds + micros / 1e6 - time.time())


def denied_commands() -> list[str]:
    """What our user may not do although queues need it; tried on keys of our own.

    Raises RedisError for any other trouble.
    """
    with line().pipeline(transaction=False) as pipeline:
        for command in NEEDED:
            pipeline.execute_command(*command)
        answers = pipeline.execute(raise_on_error=False)
    return sorted(
        {
            command[0]
            for command, answer in zip(NEEDED, answers, strict=True)
            if isinstance(answer, NoPermissionError)
        }
    )


# Values


def text(raw: Any) -> str:
    """Whatever bytes somebody put there."""
    return raw.decode(errors="replace") if isinstance(raw, bytes) else str(raw)


def moment(written: str | None) -> datetime | None:
    """A time as RQ writes it; None for none and for nonsense."""
    try:
        return aware(utcparse(written)) if written else None
    except ValueError:
        return None


def aware(at: datetime | None) -> datetime | None:
    """RQ keeps UTC, with or without saying so."""
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at
