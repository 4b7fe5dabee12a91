"""Everything is paused: one row that each beginning and each claim asks.

No processor and no run changes its own state, so each is afterwards what it was: what was paused
by itself stays paused, and what is added or started meanwhile waits like the rest.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from processors import queues
from processors.models import Actor, Batch, Event, Installation, Processor, Run
from processors.models.door import Move
from processors.states import RunState
from processors.wording import moment, until_then

MACHINE = Actor("recordmill")


@dataclass(frozen=True)
class AllPaused:
    """Who paused everything, since and until when, and why."""

    by: str
    since: datetime
    until: datetime | None
    reason: str

    @property
    def stamp(self) -> int:
        """Names this pause, so that an old page cannot end a later one."""
        return int(self.since.timestamp() * 1000)

    def sentence(self, now: datetime) -> str:
        """For a person who looks at anything."""
        told = _("Everything is paused by %(by)s since %(at)s") % {
            "by": self.by, "at": moment(self.since, now),
        }  # fmt: skip
        told = (
            _("%(told)s: %(reason)s.") % {"told": told, "reason": self.reason.rstrip(".")}
            if self.reason
            else f"{told}."
        )
        if self.until is None:
            return told
        return " ".join((told, _("It goes on by itself at %s.") % moment(self.until, now)))


def is_on() -> bool:
    """Whether nothing may begin or be claimed; costs a query."""
    return Installation.objects.filter(pk=1, paused_at__isnull=False).exists()


def current() -> AllPaused | None:
    """The pause of everything, None without one; costs a query."""
    columns = ("paused_by", "paused_at", "paused_until", "paused_reason")
    found = Installation.objects.filter(pk=1, paused_at__isnull=False).values_list(*columns).first()
    return AllPaused(*found) if found else None


def is_at_rest() -> bool:
    """Whether nothing is in hand while everything is paused, nor any claim under way.

    A claim that is under way, and looked before the pause, holds its run's row until its commit:
    who has waited for these rows sees its batch.
    """
    with transaction.atomic():
        list(Run.objects.select_for_update(no_key=True).active().order_by("pk").values_list("pk"))
        return not Batch.objects.leased().exists()


def begin(how: Move, until: datetime | None) -> None:
    """Pause everything, or pause it anew with other words. In a transaction, the row locked."""
    Installation.objects.filter(pk=1).update(
        paused_at=how.now, paused_until=until, paused_by=how.actor.name, paused_reason=how.reason
    )
    told = replace(how, reason=until_then(until, how.reason)) if until else how
    Event.write_for_all(Processor.objects.order_by("pk"), "pause-all", told)


def end(how: Move) -> None:
    """Everything goes on as it was: due cycles with the next tick, runs at once."""
    Installation.objects.filter(pk=1).update(
        paused_at=None, paused_until=None, paused_by="", paused_reason=""
    )
    Event.write_for_all(Processor.objects.order_by("pk"), "resume-all", how)
    for run in Run.objects.active().filter(state=RunState.RUNNING).select_related("processor"):
        queues.wake_on_commit(run.pk, run.config["queue"], run.processor.parallelism)


def end_due(now: datetime) -> bool:
    """End a pause of everything whose time has come, unless somebody was first."""
    due = Installation.objects.filter(pk=1, paused_until__lte=now)
    if not due.exists():
        return False
    with transaction.atomic(durable=True):
        if not due.select_for_update(no_key=True).exists():
            return False
        end(Move(MACHINE, now, _("its pause has ended")))
    return True
