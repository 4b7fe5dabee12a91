"""When a processor is due: five-field cron in a time zone, or a pause between cycles. Pure.

Entry points: `check_cron`, `check_zone` and `check_pause` for what a person typed, `next_slot`
for the tick. croniter is asked only for the readings of a clock that knows no summer time; it
accepts too much and runs 02:30 twice on an autumn night, so what may be written and the two
nights a year are decided here.
"""

# ruff: noqa: RUF001 - ranges in messages for people have an en dash

import re
from calendar import month_name
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import cron_descriptor  # type: ignore[import-untyped]
from cron_descriptor import (
    ExpressionDescriptor,
    FormatError,
    Options,
)
from croniter import croniter
from django.utils.translation import get_language, gettext_lazy, to_locale
from django.utils.translation import gettext as _

LONGEST_PAUSE_SECONDS = 366 * 24 * 60 * 60
LONGEST_EXPRESSION = 200

_FIVE_FIELDS = gettext_lazy(
    "Use five fields: minute hour day month weekday. “30 6 * * 1-5” is 06:30 from Monday to Friday."
)
WORDS_IN = Path(cron_descriptor.__file__).parent / "locale"
_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)
_PART = re.compile(r"(?:(\*)|([0-9A-Z]+)(?:-([0-9A-Z]+))?)(?:/([0-9]+))?")
_LAST_DAY = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

# The rest of the list (CET, EST5EDT, GMT+5, US/…, Etc/…) is kept by IANA for old systems only:
# a fixed offset or a name without a place does not follow what a country decides next year.
_AREAS = {
    *("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia"),
    *("Europe", "Indian", "Pacific"),
}


class InvalidSchedule(ValueError):
    """A schedule that cannot be used; the message is a sentence for the person who wrote it."""


@dataclass(frozen=True)
class _Field:
    label: Any  # translated when it is shown
    lowest: int
    highest: int
    names: tuple[str, ...] = ()

    def values(self, text: str) -> frozenset[int]:
        """All values the field's text allows, such as 0, 20, 40 for `*/20`."""
        return frozenset(value for part in text.split(",") for value in self._span(part))

    def _span(self, part: str) -> range:
        match = _PART.fullmatch(part)
        if match is None:
            raise self._refusal(part, str(_FIVE_FIELDS))
        star, first, last, step = match.groups()
        if star:
            return range(self.lowest, self.highest + 1, self._step(step))
        low = self._number(first)
        if step and not last:
            meant = f"{low}-{self.highest}/{step}"
            raise InvalidSchedule(
                _("%(label)s %(part)s needs a range before the step, e.g. %(meant)s.")
                % {"label": self.label, "part": part, "meant": meant}
            )
        high = self._number(last) if last else low
        if self.names == _WEEKDAYS and high == 0 < low:
            high = 7  # FRI-SUN: a week may end with a Sunday
        if high < low:
            raise InvalidSchedule(
                _("%(label)s range %(part)s runs backwards; write it as two ranges with a comma.")
                % {"label": self.label, "part": part}
            )
        return range(low, high + 1, self._step(step))

    def _number(self, word: str) -> int:
        if word in self.names:
            return self.lowest + self.names.index(word)
        if not word.isdigit():
            raise self._refusal(word, str(_FIVE_FIELDS))
        if not self.lowest <= int(word) <= self.highest:
            raise self._refusal(word)
        return int(word)

    def _step(self, digits: str | None) -> int:
        step = int(digits) if digits else 1
        if not (digits is None or 1 <= step <= self.highest):
            raise InvalidSchedule(
                _("%(label)s step must be 1–%(highest)s, got %(digits)s.")
                % {"label": self.label, "highest": self.highest, "digits": digits}
            )
        return step

    def _refusal(self, got: str, hint: str = "") -> InvalidSchedule:
        names = f" or {self.names[0]}–{self.names[-1]}" if self.names else ""
        allowed = f"{self.lowest}–{self.highest}{names}"
        said = _("%(label)s must be %(allowed)s, got %(got)s.") % {
            "label": self.label,
            "allowed": allowed,
            "got": got or _("nothing"),
        }
        return InvalidSchedule(f"{said} {hint}".rstrip())


_FIELDS = (
    _Field(gettext_lazy("Minute"), 0, 59),
    _Field(gettext_lazy("Hour"), 0, 23),
    _Field(gettext_lazy("Day"), 1, 31),
    _Field(gettext_lazy("Month"), 1, 12, _MONTHS),
    _Field(gettext_lazy("Weekday"), 0, 7, _WEEKDAYS),
)


@dataclass(frozen=True)
class _Pattern:
    text: str  # as the person wrote it: single spaces, capitals
    readings: str  # for croniter: plain lists of numbers, so that nothing is left to interpret
    is_sub_daily: bool


@lru_cache(maxsize=1024)
def _parsed(expression: str) -> _Pattern:
    if len(expression) > LONGEST_EXPRESSION:
        raise InvalidSchedule(
            _("Write it in at most %(longest)s characters.") % {"longest": LONGEST_EXPRESSION}
        )
    texts = expression.upper().split()
    if len(texts) != len(_FIELDS):
        raise InvalidSchedule(str(_FIVE_FIELDS))
    values = [field.values(text) for field, text in zip(_FIELDS, texts, strict=True)]
    _minutes, hours, days, months, _weekdays = values
    if _is_any(texts[4]):  # with a weekday too, either of the two is enough
        _refuse_dates_that_never_come(days, months)
    lists = (
        "*" if _is_any(text) else ",".join(map(str, sorted(allowed)))
        for text, allowed in zip(texts, values, strict=True)
    )
    return _Pattern(" ".join(texts), " ".join(lists), is_sub_daily=len(hours) == 24)


def _is_any(text: str) -> bool:
    return text in ("*", "*/1")


def _refuse_dates_that_never_come(days: frozenset[int], months: frozenset[int]) -> None:
    """Only the day can be impossible: 29 February comes, if not before four or eight years."""
    day = min(days)
    if all(day > _LAST_DAY[month - 1] for month in months):
        raise InvalidSchedule(
            _("This never happens: there is no %(day)s %(month)s.")
            % {"day": day, "month": month_name[min(months)]}
        )


def check_cron(expression: str, zone: str = "UTC") -> str:
    """The expression in five fields with single spaces and names in capitals.

    InvalidSchedule names the field at fault. Fields take numbers, names, `*`, lists, ranges and
    steps. Where day and weekday are both given, either is enough, as in every cron.
    """
    check_zone(zone)
    return _parsed(expression).text


@lru_cache(maxsize=1)
def _zones() -> dict[str, str]:
    """Names a person may choose, by their lower case."""
    places = {name for name in available_timezones() if name.split("/")[0] in _AREAS}
    return {name.lower(): name for name in places | {"UTC"}}


def check_zone(name: str) -> str:
    """The name itself where it is `UTC` or a place of the IANA list; else InvalidSchedule."""
    if _zones().get(name.lower()) == name:
        return name
    near = get_close_matches(name.lower(), _zones(), n=1, cutoff=0.8)
    if near:
        raise InvalidSchedule(
            _("Unknown zone '%(name)s' (did you mean %(near)s?).")
            % {"name": name, "near": _zones()[near[0]]}
        )
    raise InvalidSchedule(
        _("Unknown zone '%(name)s'. Choose a place, e.g. Europe/Berlin, or UTC.") % {"name": name}
    )


def check_pause(seconds: object) -> int:
    """A pause between cycles in seconds, from a whole number or its decimal digits."""
    if isinstance(seconds, str) and re.fullmatch("[0-9]{1,9}", seconds):
        seconds = int(seconds)
    if type(seconds) is int and 1 <= seconds <= LONGEST_PAUSE_SECONDS:
        return seconds
    raise InvalidSchedule(
        _("A whole number of seconds from 1 to %(longest)s (366 days).")
        % {"longest": LONGEST_PAUSE_SECONDS}
    )


def next_slot(expression: str, zone: str, after: datetime) -> datetime:
    """The first instant strictly after `after` (aware) at which the pattern is due, in UTC.

    *Sub-daily* is a pattern that allows all 24 hours (`*/10 * * * *`, `0 * * * *`). It follows
    real time: it is due at each minute whose clock reads so. Both passes of a repeated hour
    count, a skipped hour has no minutes, so `*/10` keeps ten minutes and `0 *` the real hour.
    (Where the clock moves by half an hour, as on Lord Howe, `0 *` waits 1½ hours once.)

    Every other pattern names times of day, `30 2,14 * * *` as much as `0 */6 * * *`: each is
    due once on its date. A time that does not exist runs at the first instant after the gap,
    several such together; a time that exists twice runs on the first.

    InvalidSchedule for a bad expression or zone, ValueError for a naive `after`.
    """
    if after.tzinfo is None:
        raise ValueError("next_slot needs an aware time; give it a time zone.")
    pattern, place = _parsed(expression), ZoneInfo(check_zone(zone))
    later: list[datetime] = []
    for reading in _readings(pattern.readings, _first_reading_to_look_at(place, after)):
        instants = _instants(reading, place, every=pattern.is_sub_daily)
        later += [instant for instant in instants if instant > after]
        # Both passes of a repeated hour are in order of their readings, but not together:
        # the second 02:00 comes after the first 02:10.
        if instants and instants[0] > after:
            break
    return min(later)


def _first_reading_to_look_at(place: ZoneInfo, after: datetime) -> datetime:
    """The clock's reading at `after`, earlier by what the clock is set back within a day."""
    start = after.astimezone(UTC)
    here, tomorrow = (_offset(place, moment) for moment in (start, start + _DAY))
    return (start + min(here, tomorrow)).replace(tzinfo=None, second=0, microsecond=0)


def _readings(readings: str, start: datetime) -> Iterator[datetime]:
    """The naive times that match, strictly after `start`, without end."""
    clock = croniter(readings, start)
    while True:
        yield clock.get_next(datetime)


def _instants(reading: datetime, place: ZoneInfo, *, every: bool) -> list[datetime]:
    """The UTC instants at which a reading of the place's clock is due, earliest first."""
    first, second = (reading.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first > second:  # only for readings that the clock skips (PEP 495)
        return [] if every else [_end_of_gap(place, second, first)]
    return [first, second] if every and second > first else [first]


def _end_of_gap(place: ZoneInfo, before: datetime, behind: datetime) -> datetime:
    """The instant at which the clock was put forward, between the two."""
    offset = _offset(place, before)
    while behind - before > _SECOND:
        middle = before + (behind - before) // _SECOND // 2 * _SECOND
        if _offset(place, middle) == offset:
            before = middle
        else:
            behind = middle
    return behind


def _offset(place: ZoneInfo, moment: datetime) -> timedelta:
    return moment.astimezone(place).utcoffset() or timedelta()


def next_slots(expression: str, zone: str, after: datetime, count: int) -> list[datetime]:
    """The next `count` slots, for a person to see what the pattern means."""
    slots: list[datetime] = []
    for _slot in range(count):
        after = next_slot(expression, zone, after)
        slots.append(after)
    return slots


def missed_slots(
    expression: str, zone: str, since: datetime, until: datetime, limit: int = 1000
) -> int:
    """How many slots lie after `since` and not after `until`; stops counting at `limit`."""
    count = 0
    while count < limit and (since := next_slot(expression, zone, since)) <= until:
        count += 1
    return count


def cron_locale(language: str) -> str:
    """Of the languages that the words are there in the one that is asked for, else English."""
    wanted = to_locale(language).partition("_")[0]
    known = sorted(path.stem for path in WORDS_IN.glob(f"{wanted}_*.mo"))
    return known[0] if wanted != "en" and known else "en_US"


def describe(expression: str) -> str:
    """The pattern in English words, times in 24 hours: "At 02:30". InvalidSchedule if bad.

    Where there are no words for it, as for `*,5 * * * *`, the expression itself.
    """
    text = _parsed(expression).text
    options = Options()
    options.use_24hour_time_format = True
    options.locale_code = cron_locale(get_language() or "en")
    try:
        return str(ExpressionDescriptor(text, options).get_description())
    except FormatError:
        return text
