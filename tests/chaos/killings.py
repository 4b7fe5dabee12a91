"""I17: whatever a killed process had in hand, history says so. The killer keeps a log."""

import os
import signal
from collections.abc import Iterable
from contextlib import suppress

from django.db import DatabaseError, InterfaceError, connections

from processors.models import Attempt, Batch
from processors.states import CloseReason

TAKEN = (CloseReason.REAPED, CloseReason.FORCED)
SUSPECTED = ("crashed", "dead", "parked")


class KillersLog:
    """The batches of workers' children that were killed with records in hand."""

    def __init__(self) -> None:
        self.batches: set[int] = set()

    def kill(self, pid: int) -> None:
        """SIGKILL, after a look at what it holds: it stands still meanwhile."""
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            self.batches |= in_hand_of(pid)
            os.kill(pid, signal.SIGKILL)


def in_hand_of(pid: int) -> set[int]:
    """Batches of a process with records in hand; none while the database cannot be asked."""
    try:
        leased = Batch.objects.leased().filter(owner__contains=f":{pid}:", in_hand__gt=0)
        return set(leased.values_list("pk", flat=True))
    except (DatabaseError, InterfaceError):
        connections.close_all()
        return set()


def untold(batches: Iterable[int]) -> list[str]:
    """A sentence for each of them that was taken from its worker without blaming any record.

    A commit that was under way when its process was killed may have closed its batch: then
    nothing was in hand any more.
    """
    taken = Batch.objects.filter(pk__in=batches, close_reason__in=TAKEN)
    blamed = Attempt.objects.filter(batch__in=taken, outcome__in=SUSPECTED).values("batch")
    return [
        f"I17 batch {batch.pk}: {batch.owner} was killed with records in hand, no attempt says so"
        for batch in taken.exclude(pk__in=blamed)
    ]
