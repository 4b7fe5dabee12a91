"""The circuit breaker's arithmetic."""

from processors.breaker import Rule, Window


def window(**rule: int) -> Window:
    return Window(Rule(**rule))


def fail(found: Window, count: int, first: int = 0) -> Window:
    for n in range(first, first + count):
        found.failed(f"key-{n}")
    return found


def test_it_trips_when_enough_records_failed_and_they_are_a_share_of_the_newest() -> None:
    found = window(failures=10, share_percent=50)

    assert not fail(found, 9).trouble
    assert fail(found, 1, first=9).trouble == "10 of the last 10 records failed"


def test_failures_among_many_successes_trip_nothing() -> None:
    found = window(failures=10, share_percent=50, window=100)

    found.succeeded(90)

    assert not fail(found, 10).trouble


def test_a_record_that_fails_again_and_again_counts_once() -> None:
    found = window(failures=3, crashes=3)

    for _ in range(20):
        found.failed("poison")
        found.crashed("another")

    assert not found.trouble
    assert found.failures == 2


def test_a_far_end_that_goes_down_in_the_middle_trips_within_a_window() -> None:
    found = window(failures=10, share_percent=50, window=100)
    found.succeeded(100_000)

    failed = next(n for n in range(1, 200) if fail(found, 1, first=n).trouble)

    assert failed == 50


def test_with_a_share_of_zero_the_number_alone_decides() -> None:
    found = window(failures=5, share_percent=0, window=1000)
    found.succeeded(900)

    assert not fail(found, 4).trouble
    assert fail(found, 1, first=4).trouble


def test_failures_leave_the_window_with_the_outcomes_after_them() -> None:
    found = fail(window(failures=5, window=10), 4)

    found.succeeded(10)

    assert found.failures == 0


def test_different_records_that_end_their_process_in_a_row_trip_it() -> None:
    found = window(crashes=3)
    found.succeeded(1000)

    for key in "ab":
        found.crashed(key)
    before = bool(found.trouble)
    found.crashed("c")

    assert not before
    assert found.trouble == "3 records in a row ended their worker's process"


def test_a_success_between_ends_the_row() -> None:
    found = window(crashes=3)
    for key in "abcd":
        found.crashed(key)
        found.succeeded(20)

    assert not found.trouble


def test_on_trial_a_few_records_decide() -> None:
    rule = Rule().on_trial()

    assert not fail(Window(rule), 2).trouble
    assert fail(Window(rule), 3).trouble
    assert rule.share_percent == 50
