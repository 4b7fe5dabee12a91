"""What an operator does to queues and workers: right, effect, and a line in Django's log.

Queues hold wake-ups and nothing else, so none of this can lose a record: what is taken away is
put back by the next tick.
"""

from collections.abc import Callable

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType

from processors.control import Act, Refused
from processors.models import Installation
from processors.queues import commands
from processors.queues.census import WAITING

VIEW = "processors.view_queues"
MANAGE = "processors.manage_queues"


def perform(act: Act, about: str, command: Callable[[], str]) -> str:
    """The frame of every act; the sentence for the person. Raises PermissionDenied, Refused."""
    act.require(MANAGE)
    try:
        message = command()
    except (commands.NoAnswer, commands.NotThere) as trouble:
        raise Refused(str(trouble)) from trouble
    if act.actor.user is not None:
        LogEntry.objects.create(
            user=act.actor.user,
            content_type=ContentType.objects.get_for_model(Installation),
            object_id="1",
            object_repr=about[:200],
            action_flag=CHANGE,
            change_message=f"{message} {act.reason}".strip(),
        )
    return message


def empty(queue: str, place: str, act: Act) -> str:
    """Delete the jobs of a queue or registry."""

    def command() -> str:
        return f"{commands.empty(queue, place)} {place} job(s) of queue {queue} were deleted."

    return perform(act, f"queue {queue}", command)


def requeue_all(queue: str, act: Act) -> str:
    """Put every failed job of a queue back into it."""

    def command() -> str:
        return f"{commands.requeue_all(queue)} failed job(s) went back into queue {queue}."

    return perform(act, f"queue {queue}", command)


def requeue(queue: str, job_id: str, act: Act) -> str:
    """Put one failed job back."""

    def command() -> str:
        commands.requeue(queue, job_id)
        return f"Job {job_id} went back into queue {queue}."

    return perform(act, f"queue {queue}", command)


def remove(queue: str, place: str, job_id: str, act: Act) -> str:
    """Delete one job that is not at work."""

    def command() -> str:
        commands.remove(queue, place, job_id)
        where = "queue" if place == WAITING else f"{place} jobs of queue"
        return f"Job {job_id} was deleted from the {where} {queue}."

    return perform(act, f"queue {queue}", command)


def stop_job(job_id: str, act: Act) -> str:
    """Kill the child that works on a job; its records in hand come under suspicion."""

    def command() -> str:
        commands.stop_job(job_id)
        return f"The worker of job {job_id} was told to kill it."

    return perform(act, f"job {job_id}", command)


def suspend(act: Act) -> str:
    """Let no worker take another job."""

    def command() -> str:
        commands.suspend()
        return "Workers are suspended: they finish their job in hand and take no other."

    return perform(act, "all workers", command)


def resume(act: Act) -> str:
    """Let workers take jobs again."""

    def command() -> str:
        commands.resume()
        return "Workers take jobs again."

    return perform(act, "all workers", command)


def drain(worker: str, act: Act) -> str:
    """Have a worker finish the record in hand, give back the rest, and end."""

    def command() -> str:
        commands.drain(worker)
        return f"Worker {worker} was told to finish the record in hand and to end."

    return perform(act, f"worker {worker}", command)


def forget(worker: str, act: Act) -> str:
    """Take a worker off the list that ended without a word."""

    def command() -> str:
        commands.forget(worker)
        return f"Worker {worker} is off the list."

    return perform(act, f"worker {worker}", command)
