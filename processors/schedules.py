"""When a processor is due: a cron line in a time zone, or a pause between cycles. Pure.

Entry points: `check_cron`, `check_zone` and `check_pause` for what a person typed, `next_slot`
for the tick. croniter is asked only for the readings of a clock that knows no summer time; it
accepts too much and runs 02:30 twice on an autumn night, so what may be written (`cron`) and the
two nights a year are decided by us.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from croniter import croniter
from django.utils.translation import gettext as _

from processors.cron import InvalidSchedule, parsed

LONGEST_PAUSE_SECONDS = 366 * 24 * 60 * 60

_SECOND = timedelta(seconds=1)
_DAY = timedelta(days=1)

# The rest of the list (CET, EST5EDT, GMT+5, US/…, Etc/…) is kept by IANA for old systems only:
# a fixed offset or a name without a place does not follow what a country decides next year.
_AREAS = {
    *("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia"),
    *("Europe", "Indian", "Pacific"),
}


def check_cron(expression: str, zone: str = "UTC") -> str:
    """The expression in five fields with single spaces and names in capitals.

    InvalidSchedule names the field at fault. Fields take numbers, names, `*`, lists, ranges and
    steps. Where day and weekday are both given, either is enough, as in every cron.
    """
    check_zone(zone)
    return parsed(expression).text


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
    pattern, place = parsed(expression), ZoneInfo(check_zone(zone))
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
