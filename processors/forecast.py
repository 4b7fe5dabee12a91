"""When will nothing be waiting any more? Plain arithmetic over what was measured.

Rates are records a second. A record that is to be tried again still waits: only final outcomes
count as handled.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, inf

SHORTEST_SECONDS = 60  # less tells nothing about a pace
MOST_WORKERS = 10_000  # more is no answer


@dataclass(frozen=True)
class Sight:
    """What was waiting at a moment, and how many had been handled until then."""

    at: datetime
    waiting: int
    handled: int


@dataclass(frozen=True)
class Paces:
    """Of one processor, as far as it is known.

    `arriving`: all that comes; `each`: what one worker handles while it works; `limit`: what rate
    limits let through at most.
    """

    arriving: float | None
    each: float | None
    limit: float = inf

    def handling(self, workers: int) -> float | None:
        """What so many workers handle together."""
        return None if self.each is None else min(self.each * workers, self.limit)

    def seconds_to_empty(self, waiting: int, workers: int) -> float | None:
        """Until nothing waits; infinity where as much arrives, None where a pace is not known."""
        handling = self.handling(workers)
        if waiting == 0:
            return 0.0
        if handling is None or self.arriving is None:
            return None
        gain = handling - self.arriving
        return waiting / gain if gain > 0 else inf

    def workers_needed(self, waiting: int, seconds: float) -> int | None:
        """How few workers empty it in time; None where nobody knows, or no number of them can."""
        if not self.each or self.arriving is None or seconds <= 0:
            return None
        wanted = waiting / seconds + self.arriving
        if wanted > self.limit or wanted > self.each * MOST_WORKERS:
            return None
        return ceil(wanted / self.each)


def arriving(first: Sight, last: Sight) -> float | None:
    """The pace at which records arrived between two sights; None where they are too close.

    What is missing from the backlog though nobody handled it (discarded, expired) counts against
    what arrived.
    """
    seconds = (last.at - first.at).total_seconds()
    if seconds < SHORTEST_SECONDS:
        return None
    return max(0, last.waiting - first.waiting + last.handled - first.handled) / seconds


def next_time(hour: int, minute: int, local_now: datetime) -> datetime:
    """The next moment at which the clock of `local_now`'s zone shows this time of day."""
    today = local_now.replace(hour=hour, minute=minute, second=0, microsecond=0, fold=0)
    return today if today > local_now else today + timedelta(days=1)
