"""Keep claims within a processor's rate limits and outside its blackouts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from processors.blackouts import Blackout, closed_by
from processors.clock import database_now
from processors.models import Allowance, Processor
from processors.rates import Rate

# Workers stay for as long as this where a limit keeps them waiting; for longer waits they leave,
# and the tick wakes them in time: so at least as long as the gap between ticks.
SHORT_WAIT = timedelta(seconds=1.5)


@dataclass(frozen=True, slots=True)
class Held:
    """Nothing may be taken before `until`, because of a rate limit or a blackout."""

    until: datetime
    by: Rate | Blackout


class Purse:
    """What a processor's rate limits leave for one claim; its rows stay locked to the commit.

    Of several limits the tightest counts. Those by a key are only held and counted here; what
    each key may take is in its lane. `now` is read once they are locked: to a claim that goes by
    a time from before it waited, limits that others have used since look ahead of all clocks.
    """

    def __init__(self, processor_id: int, rates: Sequence[Rate]) -> None:
        self.processor_id = processor_id
        self.rates = {str(rate): rate for rate in rates}
        self.rows = self._locked()
        if len(self.rows) < len(self.rates):
            self._make_missing()
            self.rows = self._locked()
        self.now = database_now()

    def _locked(self) -> list[Allowance]:
        rows = Allowance.objects.filter(processor_id=self.processor_id, limit__in=self.rates)
        return list(rows.select_for_update(no_key=True).order_by("limit"))

    def _make_missing(self) -> None:
        owner, now = self.processor_id, database_now()
        Allowance.objects.bulk_create(
            [
                Allowance(processor_id=owner, limit=limit, free_at=now, window_at=now)
                for limit in self.rates
            ],
            ignore_conflicts=True,
        )

    def held(self) -> Held | None:
        """The limit that lets nothing worth while pass, and until when; None where all do."""
        return tightest([(self.rates[row.limit], row) for row in self._for_all()], self.now)

    def _for_all(self) -> list[Allowance]:
        return [row for row in self.rows if not self.rates[row.limit].by]

    def room(self, most: int) -> int:
        """How many of `most` records may be taken."""
        rooms = (self.rates[row.limit].room(row.free_at, self.now) for row in self._for_all())
        return min(rooms, default=most)

    def spend(self, taken: int) -> None:
        """Note what was taken."""
        for row in self.rows:
            rate = self.rates[row.limit]
            note = row.count if rate.by else row.spend
            note(taken, rate, self.now)
        Allowance.objects.bulk_update(self.rows, ["free_at", "window_at", "used", "used_before"])


def tightest(limits: Sequence[tuple[Rate, Allowance]], now: datetime) -> Held | None:
    """The limit with the longest wait, None where there is nothing to wait for."""
    waits = [(rate.wait(row.free_at, now), rate) for rate, row in limits]
    seconds, rate = max(waits, key=lambda pair: pair[0], default=(0.0, None))
    return Held(now + timedelta(seconds=seconds), rate) if rate and seconds > 0 else None


def closed_now(blackouts: Sequence[Blackout], now: datetime) -> Held | None:
    """The blackout that is on."""
    found = closed_by(blackouts, now)
    return Held(found[1], found[0]) if found else None


def closed(processor: Processor, now: datetime) -> Held | None:
    """The blackout that is on for a processor."""
    return closed_now([Blackout.parse(text) for text in processor.blackouts], now)


def held(processor: Processor, now: datetime) -> Held | None:
    """What holds a processor back at this moment; reads, locks nothing."""
    if found := closed(processor, now):
        return found
    for_all = {str(rate): rate for rate in processor.rates if not rate.by}
    if not for_all:
        return None
    rows = Allowance.objects.filter(processor=processor, limit__in=for_all)
    return tightest([(for_all[row.limit], row) for row in rows], now)
