"""Workers and jobs as they lie in Redis, for tests that only look at them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from rq.job import JobStatus
from rq.registry import FailedJobRegistry
from rq.results import Result
from rq.utils import utcformat

from processors import queues
from processors.queues.line import line
from processors.queues.wakeups import queue


def list_worker(name: str, *, silent: float = 0, **told: str) -> None:
    """A worker as it describes itself in Redis."""
    now = datetime.now(UTC)
    facts: dict[Any, Any] = {
        "birth": utcformat(now - timedelta(hours=1)),
        "last_heartbeat": utcformat(now - timedelta(seconds=silent)),
        "hostname": "mill-1",
        "pid": "4242",
        "queues": "default",
        "state": "idle",
        "version": "2.12.0",
        "successful_job_count": "7",
        "total_working_time": "62.5",
        **told,
    }
    line().sadd("rq:workers", f"rq:worker:{name}")
    line().sadd("rq:workers:default", f"rq:worker:{name}")
    line().hset(f"rq:worker:{name}", mapping=facts)


def fail_one(run_id: int = 17) -> str:
    """A wake-up among the failed ones."""
    queues.wake(run_id, "default")
    found = queue("default")
    job = found.jobs[0]
    found.remove(job.id)
    job.set_status(JobStatus.FAILED)
    FailedJobRegistry(queue=found, job_class=queues.SafeJob).add(job, ttl=3_600)
    Result.create_failure(job, 3_600, "Boom: 1")
    return str(job.id)
