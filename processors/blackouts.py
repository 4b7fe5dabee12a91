"""Times at which a processor takes no records: hours of the week, holidays, single days.

Written as people say them: "Mon-Fri 08:00-10:00", "Sat,Sun", "daily 22:00-06:00", "12-25" and
"12-24..01-01" (each year), "2026-12-24", "2026-12-24..2027-01-01"; each with or without hours, and
with a time zone at the end where it is not the server's: "Sat,Sun Europe/Berlin". Hours that end
before they begin end on the next day, and days of a year that do in the next year.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext as _

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
HOURS = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)")
EVERY_YEAR = re.compile(r"(\d\d-\d\d)(?:\.\.(\d\d-\d\d))?")
DAY = timedelta(days=1)
LEAP_YEAR = 2000  # in which every day of a year can be written
MOST_STEPS = 400  # adjoining blackouts, a day each: beyond that one looks again then
LOOK_AHEAD_DAYS = 2
MOST_TYPED = 50  # lines that are read while somebody types


class InvalidBlackout(ValueError):
    """Not a blackout; the text says how one is written."""


@dataclass(frozen=True)
class Blackout:
    """One line: `weekdays` 0 to 6, days from `first` to `last`, or `yearly` as month and day."""

    text: str
    begins: time = time()
    ends: time = time()
    weekdays: frozenset[int] = frozenset()
    first: date = date.min
    last: date = date.max
    yearly: tuple[tuple[int, int], tuple[int, int]] | None = None
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo(settings.TIME_ZONE))

    @classmethod
    def parse(cls, text: str) -> "Blackout":
        """From its writing. Raises InvalidBlackout."""
        words = text.split()
        zone = words.pop() if words and ("/" in words[-1] or words[-1] == "UTC") else ""
        if len(words) == 1 and HOURS.fullmatch(words[0]):
            words.insert(0, "daily")
        if len(words) not in (1, 2):
            raise refusal(text)
        begins, ends = read_hours(words[1] if len(words) > 1 else "", text)
        usual = " ".join([*words, zone]).strip()
        read = cls(usual, begins, ends, zone=read_zone(zone or settings.TIME_ZONE, text))
        return read_days(read, words[0], text)

    def __str__(self) -> str:
        return self.text

    def falls_on(self, day: date) -> bool:
        """Whether it begins on that day."""
        if self.yearly is not None:
            (first, last), here = self.yearly, (day.month, day.day)
            return first <= here <= last if first <= last else here >= first or here <= last
        if self.weekdays:
            return day.weekday() in self.weekdays
        return self.first <= day <= self.last

    def on(self, day: date) -> tuple[datetime, datetime]:
        """From when to when, for the one that begins on that day."""
        until = day if self.ends > self.begins else day + DAY
        begins = datetime.combine(day, self.begins, self.zone)
        return begins.astimezone(UTC), datetime.combine(until, self.ends, self.zone).astimezone(UTC)

    def at(self, now: datetime) -> datetime | None:
        """Its end, where it is on now."""
        today = now.astimezone(self.zone).date()
        for day in (today - DAY, today):
            if self.falls_on(day):
                begins, ends = self.on(day)
                if begins <= now < ends:
                    return ends
        return None

    def next_begin(self, now: datetime) -> datetime | None:
        """When it begins next, within the days that are looked at."""
        today = now.astimezone(self.zone).date()
        days = (today + n * DAY for n in range(LOOK_AHEAD_DAYS + 1))
        begins = (self.on(day)[0] for day in days if self.falls_on(day))
        return next((moment for moment in begins if moment > now), None)


def read_hours(hours: str, text: str) -> tuple[time, time]:
    """Both ends; midnight to midnight without any. Raises InvalidBlackout."""
    if not hours:
        return time(), time()
    found = HOURS.fullmatch(hours)
    if found is None:
        raise refusal(text)
    ends = time(int(found[3]), int(found[4])) if found[3] else time()
    return time(int(found[1]), int(found[2])), ends


def read_zone(name: str, text: str) -> ZoneInfo:
    """The time zone. Raises InvalidBlackout."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidBlackout(
            _("'%(text)s': unknown time zone '%(name)s'.") % {"text": text[:80], "name": name}
        ) from error


def read_days(blackout: Blackout, days: str, text: str) -> Blackout:
    """The same with its days. Raises InvalidBlackout."""
    yearly = EVERY_YEAR.fullmatch(days)
    try:
        if days == "daily":
            return blackout
        if yearly:
            first, last = read_year_day(yearly[1]), read_year_day(yearly[2] or yearly[1])
            return changed(blackout, yearly=(first, last))
        if days[:1].isdigit():
            begin, _, end = days.partition("..")
            from_day = date.fromisoformat(begin)
            to_day = date.fromisoformat(end) if end else from_day
            if to_day < from_day:
                raise refusal(text)
            return changed(blackout, first=from_day, last=to_day)
        return changed(blackout, weekdays=read_weekdays(days))
    except ValueError as error:
        raise refusal(text) from error


def read_year_day(text: str) -> tuple[int, int]:
    """`12-25` as month and day. Raises ValueError."""
    day = date.fromisoformat(f"{LEAP_YEAR}-{text}")
    return day.month, day.day


def read_weekdays(days: str) -> frozenset[int]:
    """`Mon-Fri,Sun` as numbers. Raises ValueError."""
    found: set[int] = set()
    for part in days.split(","):
        first, dash, last = part.partition("-")
        begin, end = WEEKDAYS.index(first), WEEKDAYS.index(last if dash else first)
        found |= {n % 7 for n in range(begin, end + 1 if end >= begin else end + 8)}
    return frozenset(found)


def changed(blackout: Blackout, **parts: object) -> Blackout:
    """The same with other days."""
    return Blackout(**{**vars(blackout), **parts})


def refusal(text: str) -> InvalidBlackout:
    """How a blackout is written."""
    return InvalidBlackout(
        _(
            "'%(text)s' is not a blackout: write days and, if not the whole day, hours, "
            "such as “Mon-Fri 08:00-10:00”, “daily 22:00-06:00”, “12-25”, "
            "“12-24..01-01” or “2026-12-24..2027-01-01”."
        )
        % {"text": text[:80]}
    )


def readable(text: str) -> list[Blackout]:
    """Those of lines that are being typed; what is none yet, or too much, is left out."""
    found = []
    for line in text.splitlines()[:MOST_TYPED]:
        with suppress(InvalidBlackout):
            found.append(Blackout.parse(line))
    return found


def closed_by(blackouts: Sequence[Blackout], now: datetime) -> tuple[Blackout, datetime] | None:
    """The blackout that is on and when records may be taken again, None where they may now.

    Blackouts that adjoin are one.
    """
    first, until = None, now
    for _step in range(MOST_STEPS):
        on = ((one, one.at(until)) for one in blackouts)
        found = next(((one, end) for one, end in on if end is not None), None)
        if found is None:
            break
        first, until = first or found[0], found[1]
    return (first, until) if first else None


def closes_at(blackouts: Sequence[Blackout], now: datetime) -> datetime | None:
    """When the next one begins, None where none does within two days."""
    begins = (one.next_begin(now) for one in blackouts)
    return min((moment for moment in begins if moment is not None), default=None)
