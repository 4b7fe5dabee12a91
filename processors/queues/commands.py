"""What an operator can do to queues and workers: on Redis alone, without asking for rights.

Each raises NoAnswer where Redis does not answer, and NotThere where somebody was first.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.utils.translation import gettext as _
from redis.exceptions import RedisError
from rq import Queue, suspension
from rq.command import send_shutdown_command, send_stop_job_command
from rq.exceptions import InvalidJobOperation, NoSuchJobError
from rq.registry import FailedJobRegistry
from rq.serializers import JSONSerializer

from processors.queues.census import queue_names
from processors.queues.job import SafeJob
from processors.queues.job_facts import REGISTRIES, WAITING, read_jobs
from processors.queues.line import line, text
from processors.queues.worker_facts import WORKER_PREFIX, WORKERS

AT_ONCE = 1_000


class NotThere(Exception):
    """What was to be acted on is not there (any more)."""


class NoAnswer(Exception):
    """Redis does not answer; what was begun may or may not have been done."""


@contextmanager
def answering() -> Iterator[None]:
    """Around a command: trouble with Redis as NoAnswer."""
    try:
        yield
    except (RedisError, OSError) as error:
        raise NoAnswer(_("Redis does not answer: try again when it is back.")) from error


def queue_of(name: str) -> Any:
    """RQ's queue, on our line."""
    return Queue(name, connection=line(), job_class=SafeJob, serializer=JSONSerializer)


@answering()
def empty(queue_name: str, place: str) -> int:
    """Delete the jobs of a queue or registry; how many. Those at work are left alone."""
    if place == WAITING:
        return int(queue_of(queue_name).empty())
    key, removed = REGISTRIES[place].format(queue_name), 0
    while ids := line().zrange(key, 0, AT_ONCE - 1):
        line().delete(*(SafeJob.key_for(text(raw)) for raw in ids))
        removed += int(line().zrem(key, *ids))
    return removed


@answering()
def requeue_all(queue_name: str) -> tuple[int, int]:
    """Put failed jobs back into their queue, at most AT_ONCE: how many went, how many are left.

    Those that are not ours stay. Each takes RQ a few round trips, and a request must end.
    """
    key, moved = REGISTRIES["failed"].format(queue_name), 0
    for raw in line().zrange(key, 0, -1):
        if moved == AT_ONCE:
            break
        moved += try_requeue(queue_name, text(raw))
    return moved, int(line().zcard(key))


def try_requeue(queue_name: str, job_id: str) -> bool:
    """Whether it went back."""
    try:
        requeue(queue_name, job_id)
    except NotThere:
        return False
    return True


@answering()
def requeue(queue_name: str, job_id: str) -> None:
    """Put one failed job back, if it is one of ours."""
    [found] = read_jobs([job_id])
    if found.problem:
        raise NotThere(
            _("Job %(job_id)s cannot be put back: %(problem)s.")
            % {"job_id": job_id, "problem": found.problem}
        )
    registry: Any = FailedJobRegistry(
        queue_name, connection=line(), job_class=SafeJob, serializer=JSONSerializer
    )
    try:
        registry.requeue(job_id)
    except (NoSuchJobError, InvalidJobOperation) as error:
        raise NotThere(
            _("Job %(job_id)s is not among the failed ones any more.") % {"job_id": job_id}
        ) from error


@answering()
def remove(queue_name: str, place: str, job_id: str) -> None:
    """Delete a job that is not at work, with its place."""
    if place == WAITING:
        removed = line().lrem(f"rq:queue:{queue_name}", 0, job_id)
    else:
        removed = line().zrem(REGISTRIES[place].format(queue_name), job_id)
    if not removed:
        raise NotThere(_("Job %(job_id)s is not there any more.") % {"job_id": job_id})
    line().delete(SafeJob.key_for(job_id))


@answering()
def suspend() -> None:
    """Let no worker take another job, until `resume`."""
    suspension.suspend(line())


@answering()
def resume() -> None:
    """Let workers take jobs again."""
    suspension.resume(line())


@answering()
def stop_job(job_id: str) -> None:
    """Have its worker kill the child that works on it."""
    try:
        send_stop_job_command(line(), job_id, serializer=JSONSerializer)
    except (NoSuchJobError, InvalidJobOperation) as error:
        raise NotThere(_("Job %(job_id)s is not at work any more.") % {"job_id": job_id}) from error


@answering()
def drain(worker_name: str) -> None:
    """Have a worker finish the record in hand, give back the rest of its batch, and end."""
    if not line().exists(f"{WORKER_PREFIX}{worker_name}"):
        raise NotThere(
            _("Worker %(worker_name)s is not there any more.") % {"worker_name": worker_name}
        )
    send_shutdown_command(line(), worker_name)


@answering()
def forget(worker_name: str) -> None:
    """Take a worker off the lists that ended without a word; one that lives stays."""
    key = f"{WORKER_PREFIX}{worker_name}"
    if line().exists(key):
        raise NotThere(
            _("Worker %(worker_name)s still has a heartbeat: drain it instead.")
            % {"worker_name": worker_name}
        )
    line().srem(WORKERS, key)
    for queue in queue_names():
        line().srem(f"{WORKERS}:{queue}", key)
