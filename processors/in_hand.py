"""What workers hold of a run: how many batches, how many of these too long, whether nobody works.

The same for the sentence that says why a run waits and for the counters that stand beside it.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from django.conf import settings
from django.db.models import Aggregate, Count, Max, Q

from processors.models import Batch, Run
from processors.querysets import BatchQuerySet
from processors.states import BatchState, CloseReason, RunState

ENDED = Q(closed_at__isnull=False) & ~Q(close_reason=CloseReason.REAPED)  # by who worked at it
LAST_END = Max("closed_at", filter=ENDED)  # where all batches of a run are read anyhow


class Hands(NamedTuple):
    """How many batches of a run workers hold, how many of these too long; whether nobody works."""

    leased: int = 0
    overdue: int = 0
    is_silent: bool = False
    ended_at: datetime | None = None  # the last one that was worked through


def read_hands(runs: Iterable[Run], now: datetime) -> dict[int, Hands]:
    """What each of these active runs has in hand, by its id; a query or two, none without a run."""
    listed = list(runs)
    if not listed:
        return {}
    rows = Batch.objects.leased().filter(run__in=listed).order_by().values_list("run")
    counted = rows.annotate(**held_figures(now))
    held = {run_id: (leased, overdue, until) for run_id, leased, overdue, until in counted}
    found = {run.pk: held.get(run.pk, (0, 0, None)) for run in listed}
    # All batches of a run are read for its last end: only where the sentence depends on it.
    at_rest = {pk for pk, (leased, overdue, _until) in found.items() if leased == overdue}
    ended = last_ends(run for run in listed if run.state == RunState.RUNNING and run.pk in at_rest)
    return {pk: hands(*figures, ended.get(pk)) for pk, figures in found.items()}


def held_figures(now: datetime) -> dict[str, Aggregate]:
    """What `hands` wants of batches first: `leased`, `overdue` and the latest lease, `until`."""
    leased = Q(state=BatchState.LEASED)
    return {
        "leased": Count("id", filter=leased),
        "overdue": Count("id", filter=leased & BatchQuerySet.unheard(now)),
        "until": Max("lease_until", filter=leased),
    }


def last_ends(runs: Iterable[Run]) -> dict[int, datetime]:
    """When a batch of each was last worked through; a query, unless there is no run."""
    rows = Batch.objects.filter(ENDED, run__in=list(runs)).order_by().values_list("run")
    return dict(rows.annotate(at=Max("closed_at")))


def hands(leased: int, overdue: int, until: datetime | None, ended: datetime | None) -> Hands:
    """From the latest lease and the latest end of a batch.

    Where all who hold one are overdue, another may yet be at work, and between two batches: one
    was ENDED since the last of them was heard of.
    """
    if not 0 < leased == overdue or until is None:
        return Hands(leased, overdue, ended_at=ended)
    heard = until - timedelta(seconds=settings.LEASE_SECONDS)
    return Hands(leased, overdue, ended is None or ended <= heard, ended)


def silent_owners(runs: Iterable[Run], now: datetime) -> dict[int, list[str]]:
    """Who holds batches of these runs and was not heard of, by run: host, process, worker."""
    held = Batch.objects.leased().filter(BatchQuerySet.unheard(now), run__in=list(runs))
    found: dict[int, list[str]] = defaultdict(list)
    for run_id, owner in held.order_by("id").values_list("run", "owner"):
        found[run_id].append(owner)
    return found
