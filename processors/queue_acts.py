"""What an operator does to queues and workers: right, effect, and a line in Django's log.

Queues hold wake-ups and nothing else, so none of this can lose a record: what is taken away is
put back by the next tick.
"""

from collections.abc import Callable

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from processors.acts import Act, Refused, log
from processors.models import Installation
from processors.queues import commands
from processors.queues.job_facts import WAITING
from processors.wording import number

VIEW = "processors.view_queues"
MANAGE = "processors.manage_queues"


def perform(act: Act, about: str, command: Callable[[], str]) -> str:
    """The frame of every act; the sentence for the person. Raises PermissionDenied, Refused."""
    act.require(MANAGE)
    try:
        message = command()
    except (commands.NoAnswer, commands.NotThere) as trouble:
        raise Refused(str(trouble)) from trouble
    log(act, Installation(pk=1), message, name=about)
    return message


def empty(queue: str, place: str, act: Act) -> str:
    """Delete the jobs of a queue or registry."""

    def command() -> str:
        count = commands.empty(queue, place)
        return ngettext(
            "%(count)s %(place)s job of queue %(queue)s was deleted.",
            "%(count)s %(place)s jobs of queue %(queue)s were deleted.",
            count,
        ) % {"count": number(count), "place": place, "queue": queue}

    return perform(act, f"queue {queue}", command)


def requeue_all(queue: str, act: Act) -> str:
    """Put the failed jobs of a queue back into it; of more than a request can treat, the first."""

    def command() -> str:
        count, left = commands.requeue_all(queue)
        words = ngettext(
            "%(count)s failed job went back into queue %(queue)s.",
            "%(count)s failed jobs went back into queue %(queue)s.",
            count,
        ) % {"count": number(count), "queue": queue}
        return f"{words} {left_words(count, left)}".rstrip()

    return perform(act, f"queue {queue}", command)


def left_words(moved: int, left: int) -> str:
    """What becomes of failed jobs that did not go back; empty for none."""
    if not left:
        return ""
    if moved == commands.AT_ONCE:
        words = ngettext(
            "%(left)s is left: put all back again.", "%(left)s are left: put all back again.", left
        )
        return words % {"left": number(left)}
    return ngettext(
        "%(left)s stays: its line says why it cannot go back.",
        "%(left)s stay: their lines say why they cannot go back.",
        left,
    ) % {"left": number(left)}


def requeue(queue: str, job_id: str, act: Act) -> str:
    """Put one failed job back."""

    def command() -> str:
        commands.requeue(queue, job_id)
        return _("Job %(job_id)s went back into queue %(queue)s.") % {
            "job_id": job_id,
            "queue": queue,
        }

    return perform(act, f"queue {queue}", command)


def remove(queue: str, place: str, job_id: str, act: Act) -> str:
    """Delete one job that is not at work."""

    def command() -> str:
        commands.remove(queue, place, job_id)
        where = "queue" if place == WAITING else _("%(place)s jobs of queue") % {"place": place}
        return _("Job %(job_id)s was deleted from the %(where)s %(queue)s.") % {
            "job_id": job_id,
            "where": where,
            "queue": queue,
        }

    return perform(act, f"queue {queue}", command)


def stop_job(job_id: str, act: Act) -> str:
    """Kill the child that works on a job; its records in hand come under suspicion."""

    def command() -> str:
        commands.stop_job(job_id)
        return _("The worker of job %(job_id)s was told to kill it.") % {"job_id": job_id}

    return perform(act, f"job {job_id}", command)


def suspend(act: Act) -> str:
    """Let no worker take another job."""

    def command() -> str:
        commands.suspend()
        return _("Workers are suspended: they finish their job in hand and take no other.")

    return perform(act, "all workers", command)


def resume(act: Act) -> str:
    """Let workers take jobs again."""

    def command() -> str:
        commands.resume()
        return _("Workers take jobs again.")

    return perform(act, "all workers", command)


def drain(worker: str, act: Act) -> str:
    """Have a worker finish the record in hand, give back the rest, and end."""

    def command() -> str:
        commands.drain(worker)
        return _("Worker %(worker)s was told to finish the record in hand and to end.") % {
            "worker": worker
        }

    return perform(act, f"worker {worker}", command)


def forget(worker: str, act: Act) -> str:
    """Take a worker off the list that ended without a word."""

    def command() -> str:
        commands.forget(worker)
        return _("Worker %(worker)s is off the list.") % {"worker": worker}

    return perform(act, f"worker {worker}", command)
