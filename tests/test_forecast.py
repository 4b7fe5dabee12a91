"""When nothing waits any more, and how many workers it takes."""

from datetime import UTC, datetime, timedelta
from math import inf
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from processors.forecast import MOST_WORKERS, Paces, Sight, arriving, next_time

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
PACE = st.floats(0.001, 1e4)
WAITING = st.integers(1, 10**7)
SECONDS = st.floats(60, 86_400)


def test_what_is_gained_each_second_empties_the_backlog() -> None:
    paces = Paces(arriving=2, each=3)

    assert paces.seconds_to_empty(400, workers=2) == 100
    assert paces.seconds_to_empty(0, workers=0) == 0
    assert paces.seconds_to_empty(400, workers=0) == inf


def test_a_rate_limit_bounds_any_number_of_workers() -> None:
    paces = Paces(arriving=0, each=3, limit=4)

    assert paces.handling(2) == 4
    assert paces.workers_needed(399, 100) == 2
    assert paces.workers_needed(401, 100) is None


@pytest.mark.parametrize("paces", [Paces(None, 3), Paces(2, None)])
def test_what_was_not_measured_is_not_guessed(paces: Paces) -> None:
    assert paces.seconds_to_empty(10, 1) is None
    assert paces.workers_needed(10, 100) is None


@given(waiting=WAITING, comes=st.floats(0, 1e4), each=PACE, seconds=SECONDS)
def test_the_workers_needed_are_enough_and_one_less_is_not(
    waiting: int, comes: float, each: float, seconds: float
) -> None:
    paces = Paces(comes, each)

    needed = paces.workers_needed(waiting, seconds)

    assume(needed is not None)
    assert needed is not None
    assert 1 <= needed <= MOST_WORKERS
    enough = paces.seconds_to_empty(waiting, needed)
    fewer = paces.seconds_to_empty(waiting, needed - 1)
    assert fewer is not None
    assert fewer >= seconds * 0.999999
    # Where the gain is a rounding error of both paces, so is the time.
    assert enough is not None
    assert enough <= seconds * 1.001 or needed * each - comes < 1e-6 * comes


@given(waiting=WAITING, comes=st.floats(0, 100), each=PACE, workers=st.integers(1, 100))
def test_more_workers_are_never_slower(
    waiting: int, comes: float, each: float, workers: int
) -> None:
    paces = Paces(comes, each)

    few, more = (paces.seconds_to_empty(waiting, count) for count in (workers, workers + 1))

    assert few is not None
    assert more is not None
    assert more <= few


def test_what_arrived_is_what_waits_more_and_what_was_handled() -> None:
    first = Sight(NOW, waiting=100, handled=0)
    later = Sight(NOW + timedelta(seconds=100), waiting=50, handled=350)

    assert arriving(first, later) == 3


def test_two_sights_within_a_minute_tell_nothing() -> None:
    assert arriving(Sight(NOW, 1, 0), Sight(NOW + timedelta(seconds=59), 9, 0)) is None


def test_what_vanished_unhandled_is_no_arrival() -> None:
    assert arriving(Sight(NOW, 500, 0), Sight(NOW + timedelta(seconds=100), 0, 0)) == 0


def test_the_next_six_in_the_morning_is_within_a_day() -> None:
    assert next_time(6, 0, NOW) == NOW.replace(day=11, hour=6)
    assert next_time(12, 1, NOW) == NOW.replace(minute=1)
    assert next_time(12, 0, NOW) == NOW + timedelta(days=1)


def test_the_next_six_keeps_its_face_over_a_change_of_clocks() -> None:
    berlin = ZoneInfo("Europe/Berlin")

    found = next_time(6, 0, datetime(2026, 3, 28, 20, 0, tzinfo=berlin))

    assert (found.day, found.hour) == (29, 6)
    assert found.astimezone(UTC).hour == 4
