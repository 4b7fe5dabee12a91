"""Rate limits as arithmetic: how many records may be taken now, and when the next ones.

The generic cell rate algorithm: a limit of `count` per `per_seconds` lets one record pass every
`per_seconds / count`, and what was not used for a moment may be caught up with. It needs one
time for each limit, however many hosts share it.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import floor

from django.utils.translation import gettext as _

# What may be caught up with, as a share of a minute or, where it is longer, of the limit's own
# window: over that time no more than this share too many are taken.
CATCH_UP = 0.008
LEAST_WINDOW_SECONDS = 60


UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
WRITTEN = re.compile(r"\s*([0-9][0-9,]{0,11})\s*/\s*(s|min|h|d)\s*", re.ASCII)
MOST = 1_000_000


class InvalidRate(ValueError):
    """Not a rate limit; the text says how one is written."""


@dataclass(frozen=True)
class Rate:
    """So many records in a unit of time, shared by all workers."""

    count: int
    unit: str

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """From its writing: "100/s", "1,000/h". Raises InvalidRate."""
        found = WRITTEN.fullmatch(text)
        count = int(found[1].replace(",", "")) if found else 0
        if found is None or not 1 <= count <= MOST:
            raise InvalidRate(
                _(
                    "'%(text)s' is not a rate limit: write a number from 1 to %(most)s and s, "
                    "min, h or d, such as 100/s or 1,000/h."
                )
                % {"text": text[:80], "most": f"{MOST:,}"}
            )
        return cls(count, found[2])

    def __str__(self) -> str:
        """Its writing, which its allowance is found by: another limit has another name."""
        return f"{self.count}/{self.unit}"

    @property
    def per_seconds(self) -> int:
        """The unit of time."""
        return UNITS[self.unit]

    @property
    def interval(self) -> float:
        """Seconds from one record to the next."""
        return self.per_seconds / self.count

    @property
    def slack(self) -> float:
        """How many seconds a limit may be ahead of itself."""
        return CATCH_UP * max(LEAST_WINDOW_SECONDS, self.per_seconds)

    @property
    def chunk(self) -> int:
        """How many records are worth a claim: half of what can be caught up with."""
        return max(1, floor(self.slack / self.interval / 2))

    def used_up_to(self, free_at: datetime, now: datetime) -> float:
        """How far ahead of the time a limit is, in seconds.

        A time beyond what the limit itself could have reached was written by another clock.
        """
        ahead = (free_at - now).total_seconds()
        return 0.0 if ahead < 0 or ahead > self.slack + self.interval + 1 else ahead

    def room(self, free_at: datetime, now: datetime) -> int:
        """How many records may be taken now."""
        spare = self.slack - self.used_up_to(free_at, now)
        return max(0, floor(spare / self.interval) + 1)

    def wait(self, free_at: datetime, now: datetime) -> float:
        """Seconds until a claim is worth while; 0 where it is now."""
        ahead = self.used_up_to(free_at, now)
        return max(0.0, ahead + (self.chunk - 1) * self.interval - self.slack)

    def after(self, free_at: datetime, taken: int, now: datetime) -> datetime:
        """Where the limit stands once `taken` more were taken."""
        ahead = self.used_up_to(free_at, now)
        return now + timedelta(seconds=ahead + taken * self.interval)
