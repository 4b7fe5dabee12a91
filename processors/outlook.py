"""How fast a processor's records come and go, from what its runs and batches say.

Measured over the last hour, or the last day where the hour tells nothing; from no more than the
newest RUNS runs and BATCHES batches. What is made of it is arithmetic: `forecast.py`.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import inf

from processors.forecast import Paces, Sight, arriving
from processors.held_back import not_before
from processors.models import Batch, Processor, Run
from processors.states import SETTLING_COUNTERS

RUNS = 100
BATCHES = 1_000
WINDOWS = (timedelta(hours=1), timedelta(days=1))


@dataclass(frozen=True)
class Outlook:
    """What waits (None: unknown; `is_capped`: at least so many), and the paces since `since`.

    `not_before`: limits by a key hold records back until then at least; None where they do not.
    """

    waiting: int | None
    is_capped: bool
    paces: Paces
    since: datetime | None
    not_before: datetime | None = None

    def earliest_end(self, workers: int, now: datetime) -> datetime | None:
        """Where limits by a key hold records back: nothing can be empty before. None: unknown."""
        if self.not_before is None:
            return None
        seconds = self.seconds_to_empty(workers)
        known = seconds if seconds is not None and seconds != inf else 0.0
        return max(self.not_before, now + timedelta(seconds=known))

    def seconds_to_empty(self, workers: int) -> float | None:
        """Until nothing waits; of a capped number until so many are handled. None: unknown."""
        if self.waiting is None:
            return None
        return self.paces.seconds_to_empty(self.waiting, workers)

    def workers_needed(self, seconds: float) -> int | None:
        """How few workers empty it in time; None where that is unknown or impossible."""
        if self.waiting is None or self.is_capped or self.not_before is not None:
            return None
        return self.paces.workers_needed(self.waiting, seconds)


def outlook(processor: Processor, waiting: int | None, cap: int, now: datetime) -> Outlook:
    """Measure; `waiting` was counted up to `cap`. At most seven queries."""
    is_capped = waiting is not None and waiting >= cap
    limit, held = limit_of(processor), not_before(processor, now)
    for window in WINDOWS:
        runs = newest_runs(processor, now - window)
        seen = sights(runs)
        if waiting is not None and not is_capped and seen:
            seen.append(Sight(now, waiting, sum(run.settled for run in runs)))
        comes = arriving(seen[0], seen[-1]) if seen else None
        each = pace_of_one(runs, now)
        if each is not None and comes is not None:
            paces, began = Paces(comes, each, limit), runs[0].started_at
            return Outlook(waiting, is_capped, paces, began, held)
    since = runs[0].started_at if runs else None
    return Outlook(waiting, is_capped, Paces(comes, each, limit), since, held)


def limit_of(processor: Processor) -> float:
    """Records a second that the tightest limit for all lets through; infinity without one."""
    rates = (rate for rate in processor.rates if not rate.by)
    return min((rate.count / rate.per_seconds for rate in rates), default=inf)


def newest_runs(processor: Processor, since: datetime) -> list[Run]:
    """The newest runs that began since then, the oldest first, with their counters."""
    rows = Run.objects.filter(processor=processor, started_at__gte=since).defer("config")
    runs = list(rows.order_by("-started_at", "-id")[:RUNS])[::-1]
    for run in runs:
        if not run.has_ended:
            for name, number in Batch.objects.filter(run=run).counters().items():
                setattr(run, name, number)
    return runs


def sights(runs: list[Run]) -> list[Sight]:
    """What waited when each of these runs began, where that was counted."""
    seen, before = [], 0
    for run in runs:
        if run.expected is not None:
            seen.append(Sight(run.started_at, run.expected, before))
        before += run.settled
    return seen


def pace_of_one(runs: list[Run], now: datetime) -> float | None:
    """Records a second that one worker handles while it works; None where none was handled."""
    rows = Batch.objects.filter(run__in=[run.pk for run in runs]).order_by("-id")
    work = list(rows.values_list("opened_at", "closed_at", *SETTLING_COUNTERS)[:BATCHES])
    seconds = sum(((closed or now) - opened).total_seconds() for opened, closed, *_counts in work)
    done = sum(sum(counts) for _opened, _closed, *counts in work)
    return done / seconds if done and seconds > 0 else None
