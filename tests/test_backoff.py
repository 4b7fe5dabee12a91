import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.backoff import delay_seconds

ATTEMPTS = st.integers(1, 10_000)
SECONDS = st.just(0.0) | st.floats(1e-3, 1e9)
SEEDS = st.text(max_size=20)


def plain_delay(attempt: int, base: float, cap: float) -> float:
    """The wait without jitter, by doubling one step at a time."""
    delay = base
    for _ in range(attempt - 1):
        if delay >= cap or delay == 0:
            break
        delay *= 2
    return min(cap, delay)


@given(ATTEMPTS, SECONDS, SECONDS, SEEDS)
def test_the_wait_doubles_up_to_the_cap_give_or_take_a_fifth(
    attempt: int, base: float, cap: float, seed: str
) -> None:
    plain = plain_delay(attempt, base, cap)

    delay = delay_seconds(attempt, base, cap, seed)

    assert plain * 0.8 <= delay * (1 + 1e-12)
    assert delay <= plain * 1.2


@given(ATTEMPTS, SECONDS, SECONDS, SEEDS)
def test_a_later_attempt_never_waits_less(attempt: int, base: float, cap: float, seed: str) -> None:
    earlier = delay_seconds(attempt, base, cap, seed)

    assert delay_seconds(attempt + 1, base, cap, seed) >= earlier


def test_the_same_failure_waits_the_same_in_every_process() -> None:
    # A fixed value: Python's own hash() would differ from process to process.
    assert delay_seconds(3, 10, 3600, "order-17:1:3") == pytest.approx(35.47, abs=0.01)


def test_different_failures_spread_out() -> None:
    delays = {round(delay_seconds(1, 100, 3600, f"order-{number}")) for number in range(500)}

    assert min(delays) < 82
    assert max(delays) > 118
    assert len(delays) > 35


def test_attempt_ten_thousand_waits_about_the_cap() -> None:
    assert 2880 <= delay_seconds(10_000, 10, 3600, "seed") <= 4320


@pytest.mark.parametrize(("attempt", "base", "cap"), [(0, 1, 1), (1, -1, 1), (1, 1, -1)])
def test_a_wait_that_makes_no_sense_is_refused(attempt: int, base: float, cap: float) -> None:
    with pytest.raises(ValueError, match=f"attempt {attempt}, base {base} s, cap {cap} s"):
        delay_seconds(attempt, base, cap, "seed")
