"""Many values in a few numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.spread import ENOUGH, SHORT_SECONDS, is_slow, spread_of, usual

VALUES = st.lists(st.floats(0, 1e9), min_size=ENOUGH, max_size=300)


def test_the_numbers_of_the_first_hundred() -> None:
    spread = spread_of(range(1, 101))

    assert spread is not None
    assert (spread.least, spread.most, spread.median, spread.mean) == (1, 100, 50.5, 50.5)
    assert spread.high == 95
    assert spread.deviation == pytest.approx(28.866, abs=0.001)


def test_too_few_values_have_nothing_usual() -> None:
    assert spread_of([1, 2, 3, 4]) is None
    assert usual([1, 2, 3, 4]) is None
    assert not is_slow(1_000, None)


@given(VALUES)
def test_every_number_lies_within_the_values(values: list[float]) -> None:
    spread = spread_of(values)

    assert spread is not None
    assert spread.least <= spread.median <= spread.high <= spread.most
    assert spread.least <= spread.mean <= spread.most
    assert 0 <= spread.deviation <= (spread.most - spread.least) * 0.5 * 1.000001
    assert sum(value <= spread.high for value in values) >= 0.95 * len(values)
    assert usual(values) == spread.median


def test_slow_is_more_than_twice_the_usual_and_never_a_moment() -> None:
    assert is_slow(20.1, 10)
    assert not is_slow(20, 10)
    assert not is_slow(SHORT_SECONDS - 0.1, 0.001)
