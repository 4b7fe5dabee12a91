"""Numbers and times as people read them."""

from datetime import UTC, datetime, timedelta

import pytest

from processors.wording import ago, duration, moment, rate, rate_words

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"), (0.04, "0 s"), (0.25, "0.2 s"), (7, "7 s"), (47, "47 s"), (60, "1 min"),
        (182, "3 min 02 s"), (3900, "1 h 05 min"), (259_200, "3 d"), (273_600, "3 d 4 h"),
    ],
)  # fmt: skip
def test_durations_are_read_at_a_glance(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-12, "12 s ago"), (182, "in 3 min 02 s"), (0, "now"), (-8 * 86_400, "13 Nov., 12:00"),
        (-599, "9 min 59 s ago"), (-2_401, "40 min ago"), (3_959, "in 1 h 05 min"),
    ],
)  # fmt: skip
def test_times_are_relative_for_a_week(seconds: int, words: str) -> None:
    assert ago(NOW + timedelta(seconds=seconds), NOW) == words


def test_a_moment_has_its_zone_and_its_date_only_on_another_day() -> None:
    assert moment(NOW, NOW) == "12:00:00 UTC"
    assert moment(NOW, NOW + timedelta(days=1)) == "21 Nov. 2026, 12:00 UTC"


@pytest.mark.parametrize(
    ("count", "seconds", "words"), [(500, 10, "50/s"), (3, 10, "0.3/s"), (0, 10, ""), (5, 0, "")]
)
def test_rates_have_a_decimal_only_when_slow(count: int, seconds: float, words: str) -> None:
    assert rate(count, seconds) == words


@pytest.mark.parametrize(
    ("per_second", "words"),
    [(12.4, "12/s"), (0.1, "0.1/s"), (0.05, "3.0/min"), (0.0005, "1.8/h"), (0, "0/s")],
)
def test_a_slow_pace_is_told_by_the_unit_that_shows_it(per_second: float, words: str) -> None:
    assert rate_words(per_second) == words
