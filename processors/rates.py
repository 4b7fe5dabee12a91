"""Rate limits as arithmetic: how many records may be taken now, and when the next ones.

The generic cell rate algorithm: a limit of `count` per `per_seconds` lets one record pass every
`per_seconds / count`, and what was not used for a moment may be caught up with. It needs one
time for each limit, however many hosts share it; a limit "by" something needs one for each value.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from math import floor
from typing import Any

from django.utils.translation import gettext as _

# What may be caught up with, as a share of a minute or, where it is longer, of the limit's own
# window: over that time no more than this share too many are taken.
CATCH_UP = 0.008
LEAST_WINDOW_SECONDS = 60
# A limit of a key value is kept by the far end too, more often than not, and is small: of 5/min
# one too many is 20 %. So what may be caught up with is made good by going that much slower.
SLOWER = 1.0081

UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
WRITTEN = re.compile(r"\s*([0-9][0-9,]{0,11})\s*/\s*(s|min|h|d)\s*(?:\sby\s+(.+))?", re.ASCII)
BY = " by "
MOST = 1_000_000
OWN_KEY = "key"
PAYLOAD = "payload"
BY_CHARACTERS = 100
VALUE_CHARACTERS = 200


class InvalidRate(ValueError):
    """Not a rate limit; the text says how one is written."""


@dataclass(frozen=True)
class Rate:
    """So many records in a unit of time, shared by all workers.

    With `by`, so many of each value that this field of the payload has, or of each record's key.
    """

    count: int
    unit: str
    by: str = ""

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """From its writing: "100/s", "1,000/h", "5/min by customer.id". Raises InvalidRate."""
        found = WRITTEN.fullmatch(text)
        count = int(found[1].replace(",", "")) if found else 0
        if found is None or not 1 <= count <= MOST:
            raise InvalidRate(
                _(
                    "'%(text)s' is not a rate limit: write a number from 1 to %(most)s and s, "
                    "min, h or d, such as 100/s or 1,000/h; “5/min by customer” is for each "
                    "customer."
                )
                % {"text": text[:80], "most": f"{MOST:,}"}
            )
        return cls(count, found[2], usual_by(found[3]) if found[3] else "")

    def __str__(self) -> str:
        """Its writing, which its allowance is found by: another limit has another name."""
        written = f"{self.count}/{self.unit}"
        return f"{written} by {self.by}" if self.by else written

    @property
    def path(self) -> tuple[str, ...]:
        """Where in the payload its key is; nowhere where it is the record's own."""
        return path_of(self.by)

    def value(self, key: str, payload: Mapping[str, Any]) -> str:
        """What a record counts for: records that lack the field count together, as ""."""
        path = path_of(self.by)
        if not path:
            return shortened(key)
        found: Any = payload
        for part in path:
            found = step_into(found, part)
        return in_short(found)

    @property
    def per_seconds(self) -> int:
        """The unit of time."""
        return UNITS[self.unit]

    @property
    def interval(self) -> float:
        """Seconds from one record to the next."""
        return self.per_seconds / self.count * (SLOWER if self.by else 1)

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
        return 0.0 if ahead < 0 or ahead > self.most_ahead else ahead

    @property
    def most_ahead(self) -> float:
        """How many seconds its own clock can have brought a limit ahead; of a key one more is
        booked for what travels alone."""
        return self.slack + (2 if self.by else 1) * self.interval + 1

    def room(self, free_at: datetime, now: datetime) -> int:
        """How many records may be taken now."""
        spare = self.slack - self.used_up_to(free_at, now)
        return max(0, floor(spare / self.interval) + 1)

    def wait(self, free_at: datetime, now: datetime) -> float:
        """Seconds until a claim is worth while; 0 where it is now."""
        ahead = self.used_up_to(free_at, now)
        return max(0.0, ahead + (self.chunk - 1) * self.interval - self.slack)

    def due(self, now: datetime) -> datetime:
        """A limit that is used up to no later than this makes a claim worth while now."""
        return now + timedelta(seconds=self.slack - (self.chunk - 1) * self.interval)

    def start(self, free_at: datetime, now: datetime) -> datetime:
        """When the next record may be taken."""
        return now + timedelta(seconds=max(0.0, self.used_up_to(free_at, now) - self.slack))

    def may_book(self, free_at: datetime, now: datetime) -> bool:
        """Whether the next record can be taken ahead of its time: nobody did so before."""
        return self.used_up_to(free_at, now) <= self.slack + self.interval

    def after(self, free_at: datetime, taken: int, now: datetime) -> datetime:
        """Where the limit stands once `taken` more were taken."""
        ahead = self.used_up_to(free_at, now)
        return now + timedelta(seconds=ahead + taken * self.interval)


# Keys


def usual_by(text: str) -> str:
    """A path in its usual writing: `payload.` only where it would mean something else without.

    Raises InvalidRate.
    """
    parts = [part.strip() for part in text.strip().split(".")]
    if not all(part and part.isprintable() for part in parts) or len(text) > BY_CHARACTERS:
        raise InvalidRate(
            _(
                "'by %(text)s' is not a field: name one of the payload's, such as customer or "
                "customer.id, at most %(most)s characters; or key, for the record's own key."
            )
            % {"text": text[:80], "most": BY_CHARACTERS}
        )
    if len(parts) > 1 and parts[0] == PAYLOAD and (parts[1] != PAYLOAD and parts[1:] != [OWN_KEY]):
        parts = parts[1:]
    return ".".join(parts)


@lru_cache(maxsize=1_000)
def path_of(by: str) -> tuple[str, ...]:
    """The parts of a path; none where it names the record's own key, or nothing."""
    if not by or by == OWN_KEY:
        return ()
    parts = tuple(by.split("."))
    return parts[1:] if parts[0] == PAYLOAD and len(parts) > 1 else parts


def step_into(found: Any, part: str) -> Any:
    """A field of an object, or an element of a list by its number; None where there is none."""
    if isinstance(found, Mapping):
        return found.get(part)
    if isinstance(found, list) and part.isdecimal() and len(part) < 9 and int(part) < len(found):
        return found[int(part)]
    return None


def in_short(value: Any) -> str:
    """A value as text: the number 5 and the text "5" are one key."""
    if value is None:
        return ""
    if isinstance(value, dict | list):
        return shortened(json.dumps(value, sort_keys=True, default=str))
    return shortened(str(value))


def shortened(text: str) -> str:
    """As it is where it is short, else told from others by a digest."""
    if len(text) <= VALUE_CHARACTERS:
        return text
    return f"{text[: VALUE_CHARACTERS - 20]}…{hashlib.sha256(text.encode()).hexdigest()[:19]}"
