"""How fast runs go, seen from their batches: now, and over the run.

A batch stands for an even stretch of work from its opening to its end. No more than the newest
CAP of them are looked at, so that a page costs the same for a run of ten million records. A rate
is of records that came to their end: what is to be tried again was not done.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from processors.explain import JUST_NOW
from processors.held_back import held_of
from processors.models import Batch, Run
from processors.outlook import limit_of
from processors.states import SETTLING_COUNTERS

CAP = 1_000
TELLING = 300  # of a run's newest batches: enough for its pace
MINUTE = timedelta(minutes=1)
POINTS = 60
SHORTEST_SECONDS = 1
OUTLIERS = 0.99  # of the points a chart shows whole


@dataclass(frozen=True)
class Stretch:
    """Records that came to their end between two moments; none where all are to be tried again."""

    start: datetime
    end: datetime
    records: int

    def within(self, start: datetime, end: datetime) -> float:
        """How many of them in this time."""
        whole = (self.end - self.start).total_seconds()
        shared = (min(end, self.end) - max(start, self.start)).total_seconds()
        if whole <= 0:
            return float(self.records) if start <= self.end < end else 0.0
        return self.records * max(0.0, shared) / whole


Work = dict[int, list[Stretch]]  # by run


def stretches(runs: Iterable[Run], now: datetime, most: int = CAP) -> Work:
    """The newest work of these runs, `most` batches; one query."""
    rows = Batch.objects.filter(run__in=[run.pk for run in runs]).order_by("-id")
    found: Work = defaultdict(list)
    for run_id, start, end, retried, crashed, *settled in rows.values_list(
        "run", "opened_at", "closed_at", "retried", "crashed", *SETTLING_COUNTERS
    )[:most]:
        if any((retried, crashed, *settled)):
            found[run_id].append(Stretch(start, end or now, sum(settled)))
    return found


def recent_rate(work: Sequence[Stretch], now: datetime, window: timedelta = MINUTE) -> float:
    """Records a second lately; 0 where none came to its end."""
    if not work:
        return 0.0
    start = max(now - window, min(one.start for one in work))
    seconds = max(1.0, (now - start).total_seconds())  # less than a second tells nothing
    return sum(one.within(start, now) for one in work) / seconds


def with_rates(runs: Sequence[Any], now: datetime, work: Work | None = None) -> None:
    """Give active runs `rate` (records a second over the last minute) and `seconds_left`.

    And `is_moving`: whether anything became of records in that minute, if only another try, or it
    has just begun.
    After `looks.with_counters`, which knows what became of records and whether they are silent.
    `work`: their stretches, where the caller has them; the newest TELLING of each run count.
    """
    active = [run for run in runs if not run.has_ended]
    if work is None:
        work = stretches(active, now, min(CAP, TELLING * len(active))) if active else {}
    for run in active:
        done = work.get(run.pk, [])[:TELLING]
        run.rate = recent_rate(done, now)
        is_new = now - run.started_at < JUST_NOW
        run.is_moving = is_new or any(one.end > now - MINUTE for one in done)
        pace = recent_rate(done, now, 2 * MINUTE)
        run.seconds_left = time_left(run, min(pace, limit_of(run.processor)))
    timed = [run for run in active if run.seconds_left is not None]
    held = held_of(run.processor_id for run in timed) if timed else set()
    for run in timed:
        if run.processor_id in held:  # by limits of a key: its pace tells nothing of its end
            run.seconds_left = None


def time_left(run: Any, rate: float) -> float | None:
    """Seconds at a pace: that of the last two minutes, or less where a limit was set meanwhile.

    None where nobody can tell, as of a run whose workers are silent: they may be dead.
    """
    if not run.expected or rate <= 0 or run.state != "running" or run.is_silent:
        return None
    rest = run.expected - run.settled
    return rest / rate if rest > 0 else None


@dataclass(frozen=True)
class Series:
    """Records a second over time: a point each `step_seconds` from `start` on."""

    start: datetime
    step_seconds: float
    rates: list[float]

    @property
    def ceiling(self) -> float:
        """What nearly all points stay below: a single one must not flatten the rest."""
        ordered = sorted(self.rates)
        usual = ordered[max(0, int(len(ordered) * OUTLIERS) - 1)] if ordered else 0.0
        return usual if ordered and ordered[-1] > 2 * usual > 0 else max(ordered, default=0.0)


def series(work: Sequence[Stretch], until: datetime) -> Series | None:
    """The pace from the first of this work on; None of too little to draw."""
    if not work:
        return None
    start = min(one.start for one in work)
    seconds = (until - start).total_seconds()
    if seconds < SHORTEST_SECONDS:
        return None
    step = timedelta(seconds=seconds / POINTS)
    counts = [0.0] * (int(seconds / step.total_seconds()) + 1)
    for one in work:
        first = int((one.start - start) / step)
        last = min(int((one.end - start) / step), len(counts) - 1)
        if first == last:  # as most are, and then there is nothing to share out
            counts[first] += one.records
            continue
        for at in range(first, last + 1):
            counts[at] += one.within(start + at * step, start + (at + 1) * step)
    # The last step is only begun: as a pace it would lie.
    whole = counts[:-1] or counts
    return Series(start, step.total_seconds(), [each / step.total_seconds() for each in whole])
