"""The jobs of queues and registries as they lie in Redis; nothing in them is ever called."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from redis.exceptions import RedisError

from processors.queues.job import WORK, SafeJob
from processors.queues.line import aware, line, text

# Where a job may lie: in its queue, or in a registry with this key.
WAITING = "queued"
REGISTRIES = {
    "started": "rq:wip:{}",
    "deferred": "rq:deferred:{}",
    "finished": "rq:finished:{}",
    "failed": "rq:failed:{}",
    "scheduled": "rq:scheduled:{}",
    "canceled": "rq:canceled:{}",
}


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
