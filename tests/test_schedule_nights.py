"""Slots on the nights when clocks are put forward or back, against an oracle.

The oracle walks real minutes, one by one, and knows nothing of croniter or of PEP 495.
"""

from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.schedules import next_slot, next_slots
from tests import bootstrap

pytestmark = bootstrap.once("a clock asks no database")

MINUTE = timedelta(minutes=1)

NIGHTS = [
    ("Europe/Berlin", date(2027, 3, 28)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2027, 3, 14)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),  # half an hour
    ("Australia/Lord_Howe", date(2027, 4, 4)),
    ("America/Sao_Paulo", date(2018, 11, 4)),  # midnight does not exist
    ("America/Sao_Paulo", date(2018, 2, 18)),  # the hour before midnight comes twice
    ("Africa/Cairo", date(2027, 4, 30)),
    ("Africa/Cairo", date(2026, 10, 30)),
    ("America/St_Johns", date(2010, 11, 7)),  # back from 00:01 to the day before
    ("Antarctica/Troll", date(2026, 10, 25)),  # two hours
    ("Pacific/Apia", date(2011, 12, 30)),  # a whole day does not exist
    ("Pacific/Kwajalein", date(1993, 8, 21)),  # another one
    ("Asia/Kolkata", date(2026, 10, 25)),  # nothing happens
    ("UTC", date(2026, 10, 25)),
]

FIELDS = (
    st.sampled_from(["*", "*/10", "0", "1", "30", "15,45", "5-25/5", "59", "*/7"]),
    st.sampled_from(["*", "*/2", "0", "1", "2", "3", "2,14", "1-5", "23", "0,23", "0-23"]),
    st.sampled_from(["*", "*", "*/2", "28", "1-7", "29-31", "4,25"]),
    st.sampled_from(["*", "*", "3,4,8-12", "*/2"]),
    st.sampled_from(["*", "*", "0", "6,7", "5-7", "1-5"]),
)
EXPRESSIONS = st.tuples(*FIELDS).map(" ".join)


@lru_cache
def walk(zone: str, night: date) -> list[tuple[datetime, datetime]]:
    """(instant, reading of the clock) for each minute from 40 hours before to 60 after."""
    midnight = datetime(night.year, night.month, night.day, tzinfo=UTC)
    place = ZoneInfo(zone)
    minutes = [midnight + n * MINUTE for n in range(-40 * 60, 60 * 60)]
    return [(minute, minute.astimezone(place).replace(tzinfo=None)) for minute in minutes]


@cache
def allows(field: str, value: int) -> bool:
    return any(allows_part(part, value) for part in field.split(","))


def allows_part(part: str, value: int) -> bool:
    span, _, step = part.partition("/")
    low, _, high = span.replace("*", "0-99").partition("-")
    # `*` of days and months counts from one.
    start = 1 if part.startswith("*") and value > 0 and low == "0" and step == "" else int(low)
    return start <= value <= int(high or low) and (value - start) % int(step or 1) == 0


def matches(expression: str, reading: datetime) -> bool:
    minute, hour, day, month, weekday = expression.split()
    # Days and months begin with one: `*/2` means the odd ones.
    on_day = allows(day, reading.day) if "*/" not in day else reading.day % 2 == 1
    in_month = allows(month, reading.month) if "*/" not in month else reading.month % 2 == 1
    sunday = 0 if reading.isoweekday() == 7 else reading.isoweekday()
    on_weekday = allows(weekday, sunday) or (sunday == 0 and allows(weekday, 7))
    both = day != "*" and weekday != "*"
    on_date = (on_day or on_weekday) if both else (on_day and on_weekday)
    return allows(minute, reading.minute) and allows(hour, reading.hour) and in_month and on_date


def oracle(expression: str, zone: str, night: date) -> list[datetime]:
    """The slots of the walk's minutes, by the rule as the form states it."""
    every = expression.split()[1] in ("*", "0-23")
    slots: list[datetime] = []
    seen: set[datetime] = set()
    last: datetime | None = None
    for instant, reading in walk(zone, night):
        new = [reading] if every or reading not in seen else []
        while not every and last and reading - last > MINUTE:
            last += MINUTE
            new.append(last)
        if any(matches(expression, each) for each in new):
            slots.append(instant)
        seen.add(reading)
        last = reading
    return slots


@settings(max_examples=250)
@given(EXPRESSIONS, st.sampled_from(NIGHTS), st.integers(0, 60 * 60 * 60))
def test_slots_equal_those_of_a_walk_through_every_minute_of_the_night(
    expression: str, night: tuple[str, date], second: int
) -> None:
    zone, day = night
    minutes = walk(zone, day)
    after = minutes[0][0] + timedelta(seconds=second)
    expected = [slot for slot in oracle(expression, zone, day) if slot > after][:8]

    slots = next_slots(expression, zone, after, max(1, len(expected)))

    if expected:
        assert slots == expected
    else:
        assert slots[0] > minutes[-1][0]


@settings(max_examples=100)
@given(
    EXPRESSIONS,
    st.sampled_from([zone for zone, _ in NIGHTS]),
    st.timedeltas(timedelta(), timedelta(days=115 * 365)),
)
def test_the_next_slot_is_strictly_later_and_a_whole_minute(
    expression: str, zone: str, since_1975: timedelta
) -> None:
    after = datetime(1975, 1, 1, tzinfo=UTC) + since_1975

    slot = next_slot(expression, zone, after)

    assert slot > after
    assert slot.tzinfo is UTC
    assert (slot.second, slot.microsecond) == (0, 0)


@pytest.mark.parametrize("zone", sorted({zone for zone, _ in NIGHTS}))
def test_a_daily_time_runs_once_on_each_date_of_a_year(zone: str) -> None:
    slots = next_slots("30 2 * * *", zone, datetime(2026, 1, 1, tzinfo=ZoneInfo(zone)), 365)

    dates = {slot.astimezone(ZoneInfo(zone)).date() for slot in slots}
    assert dates == {date(2026, 1, 1) + timedelta(days=n) for n in range(365)}
