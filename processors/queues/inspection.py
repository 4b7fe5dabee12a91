"""What only the doctor asks: what Redis is like, what we may do there, and what is not ours."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _
from redis.exceptions import NoPermissionError, RedisError
from rq.exceptions import NoSuchJobError

from processors.queues.job import ForeignJob, SafeJob
from processors.queues.line import kind_of, line, text
from processors.queues.scheduler import SafeScheduler
from processors.queues.wakeups import queue
from processors.queues.worker import SafeWorker

SCHEDULER_PREFIX = "rq:scheduler_instance:"
PROBE = "rq:recordmill:probe"
# What queues need, tried on a key of our own.
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
LOOKED_AT = 10_000  # jobs of a queue, or entries of the schedule
# In Redis's INFO: how its last attempts to write its files ended.
SAVED = ("aof_last_write_status", "rdb_last_bgsave_status")
OURS = {"JOB_CLASS": SafeJob, "WORKER_CLASS": SafeWorker, "SCHEDULER_CLASS": SafeScheduler}


@dataclass(frozen=True)
class RedisFacts:
    """`error` is empty where Redis answers; the rest is unknown where it does not."""

    error: str = ""
    version: str = ""
    policy: str = "noeviction"
    max_bytes: int = 0
    used_bytes: int = 0
    can_save: bool = True


@dataclass(frozen=True)
class ForeignEntry:
    """Something in Redis that we did not put there: its queue (None: the schedule), and why."""

    queue: str | None
    job_id: str
    reason: str


def redis_facts() -> RedisFacts:
    """Ask Redis; never raises."""
    try:
        info: dict[str, Any] = line().info()
    except (RedisError, OSError) as error:
        return RedisFacts(error=kind_of(error))
    return RedisFacts(
        version=str(info.get("redis_version", "")),
        policy=str(info.get("maxmemory_policy", "noeviction")),
        max_bytes=int(info.get("maxmemory", 0)),
        used_bytes=int(info.get("used_memory", 0)),
        can_save=all(info.get(name, "ok") == "ok" for name in SAVED),
    )


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


def clock_ahead_seconds() -> float:
    """How far Redis's clock is ahead of this machine's. Raises RedisError."""
    seconds, micros = line().time()
    return float(seconds + micros / 1e6 - time.time())


def unsafe_classes() -> list[str]:
    """Settings in RQ that do not name our safe classes."""
    return [name for name, ours in OURS.items() if not is_ours(settings.RQ.get(name), ours)]


def is_ours(path: str | None, ours: type) -> bool:
    """Whether a dotted path leads to a class of ours or one made from it."""
    try:
        found = import_string(path or "")
    except ImportError:
        return False
    return isinstance(found, type) and issubclass(found, ours)


def foreign_schedulers() -> list[str]:
    """Names of rq-scheduler's own processes: ours leaves no such key. Raises RedisError."""
    keys = line().scan_iter(match=f"{SCHEDULER_PREFIX}*", count=1000)
    return sorted(text(key).removeprefix(SCHEDULER_PREFIX) for key in keys)


def foreign_entries() -> list[ForeignEntry]:
    """What lies in our queues and in the schedule without being ours. Raises RedisError."""
    return [entry for name in settings.QUEUES for entry in in_queue(name)] + list(in_schedule())


def in_queue(name: str) -> Iterator[ForeignEntry]:
    """Jobs of one queue; one whose hash is gone is harmless and passed over."""
    found = queue(name)
    for job_id in found.get_job_ids(0, LOOKED_AT):
        reason = trouble_with(job_id)
        if reason:
            yield ForeignEntry(name, job_id, reason)


def in_schedule() -> Iterator[ForeignEntry]:
    """Entries of rq-scheduler's set: schedules live in our database, not there."""
    connection = queue("default").connection
    raw_ids: Any = connection.zrange(SafeScheduler.scheduled_jobs_key, 0, LOOKED_AT)
    for raw_id in raw_ids:
        job_id = raw_id.decode(errors="replace")
        reason = trouble_with(job_id, may_be_gone=False)
        if reason:
            yield ForeignEntry(None, job_id, reason)


def trouble_with(job_id: str, *, may_be_gone: bool = True) -> str:
    """Why a job is not one of ours; empty where it is."""
    try:
        job: Any = SafeJob.fetch(job_id, connection=queue("default").connection)
        job.check()
    except NoSuchJobError:
        return "" if may_be_gone else _("it has no job")
    except (RedisError, OSError):
        raise
    except ForeignJob as error:
        return str(error)
    except Exception as error:
        return _("it cannot be read (%(name)s)") % {"name": type(error).__name__}
    return ""


def remove_foreign(entry: ForeignEntry) -> None:
    """Take it out of its queue or the schedule, with its hash. Raises RedisError."""
    connection = queue("default").connection
    if entry.queue is None:
        connection.zrem(SafeScheduler.scheduled_jobs_key, entry.job_id)
    else:
        connection.lrem(queue(entry.queue).key, 0, entry.job_id)
    connection.delete(SafeJob.key_for(entry.job_id))
