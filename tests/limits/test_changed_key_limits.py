"""Limits by a key that are changed or gone while it runs, and lanes that nobody needs any more."""

from datetime import timedelta

import pytest

from processors import editing, maintenance
from processors.models import IN_LANE, Allowance, Lane, Processor, Record
from processors.protocol import cycles, lanes, reaping
from tests.limits.conftest import BY_CUSTOMER, begin, customers, take
from tests.model.clockwork import Clockwork
from tests.stories import act, define, fill_inbox

pytestmark = pytest.mark.django_db(transaction=True)


def test_other_numbers_hold_for_what_waits_at_once(clock: Clockwork) -> None:
    processor = define("echo", rate_limits=["1/h by customer"])
    fill_inbox(processor, customers(slow=20))
    run = begin(processor)
    assert len(take(run, clock)) == 1
    held = set(Record.objects.in_lanes().values_list("lane", flat=True))

    tune(processor, ["60/min by customer"])
    maintenance.tick()
    clock.advance(2)

    assert set(Record.objects.in_lanes().values_list("lane", flat=True)) == held
    assert len(take(run, clock)) == 1
    assert not Lane.objects.filter(limit="1/h by customer").exists()


@pytest.mark.parametrize("limits", [[], ["1/h by name"]])
def test_a_limit_that_is_gone_holds_nothing_back(clock: Clockwork, limits: list[str]) -> None:
    processor = define("echo", rate_limits=["1/h by customer"])
    payloads = {f"{n}": {"customer": "slow", "name": f"{n}"} for n in range(20)}
    fill_inbox(processor, payloads)
    run = begin(processor)
    assert len(take(run, clock)) == 1

    tune(processor, limits)
    maintenance.tick()
    taken = take(run, clock)

    assert len(taken) == 19
    maintenance.tick()
    assert not Lane.objects.filter(limit="1/h by customer").exists()
    assert not Record.objects.filter(available_at=IN_LANE).exists()


def test_a_run_goes_on_until_all_that_a_former_limit_held_back_was_freed(
    clock: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "FREED_AT_ONCE", 3)
    processor = define("echo", rate_limits=["1/h by customer"])
    fill_inbox(processor, customers(slow=8))
    run = begin(processor)
    taken = take(run, clock)

    tune(processor, [])
    while len(taken) < 8:
        found = take(run, clock)
        taken += found
        assert found
        assert cycles.end_cycle(run.pk) == (len(taken) == 8)
        lanes.keep_up()

    assert not Record.objects.in_lanes().exists()


def test_a_limit_that_stays_holds_on_whatever_else_is_changed(clock: Clockwork) -> None:
    processor = define("echo", rate_limits=["1/h by customer"])
    fill_inbox(processor, customers(slow=5))
    run = begin(processor)
    take(run, clock)

    tune(processor, ["1/h by customer", "100/min"])

    assert Record.objects.in_lanes().count() == 4
    assert take(run, clock) == []


def test_other_numbers_take_the_place_of_what_is_left_of_the_same_ones(clock: Clockwork) -> None:
    processor = define("echo", rate_limits=["1/h by customer"])
    fill_inbox(processor, customers(slow=5))
    run = begin(processor)
    take(run, clock)
    processor.allowances.create(limit="60/min by customer", free_at=clock.now, window_at=clock.now)

    tune(processor, ["60/min by customer"])

    assert processor.allowances.get().limit == "60/min by customer"
    assert Record.objects.in_lanes().count() == 4


def test_what_travelled_alone_for_a_limit_that_is_gone_is_in_no_lane(clock: Clockwork) -> None:
    processor = define("echo", rate_limits=["1/min by customer"])
    fill_inbox(processor, customers(a=2))
    run = begin(processor)
    take(run, clock)
    Record.objects.in_lanes().update(alone=True, lane=None, available_at=clock.now)
    take(run, clock)
    booked = Record.objects.get(lane__isnull=False)

    tune(processor, [])
    clock.set(booked.available_at)
    assert len(take(run, clock, failing=True)) == 1

    assert not Record.objects.filter(lane__isnull=False).exists()
    assert cycles.end_cycle(run.pk)  # and no later than any run without limits


def test_a_clock_that_went_back_holds_nobody_for_long(clock: Clockwork) -> None:
    processor = define("echo", rate_limits=[BY_CUSTOMER])
    fill_inbox(processor, customers(slow=5))
    run = begin(processor)
    take(run, clock)

    Lane.objects.update(free_at=clock.now + timedelta(days=1))
    maintenance.tick()

    assert len(take(run, clock)) == 1


def test_a_slow_tick_does_not_begin_a_limit_anew(
    clock: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor = define("echo", rate_limits=["60/min by customer"])
    fill_inbox(processor, customers(slow=9))
    run, taken = begin(processor), []

    def be_slow(_: object) -> int:
        clock.advance(5)
        taken.extend(take(run, clock))
        return 0

    monkeypatch.setattr(reaping, "reap", be_slow)
    maintenance.tick()

    assert len(taken) == 1
    assert take(run, clock) == []


def test_idle_lanes_are_forgotten_and_those_that_are_needed_stay(clock: Clockwork) -> None:
    processor = define("echo", rate_limits=[BY_CUSTOMER])
    fill_inbox(processor, customers(once=1, slow=30))
    run = begin(processor)
    take(run, clock)
    take(run, clock)

    clock.advance(140)
    lanes.keep_up()

    assert set(Lane.objects.values_list("value", flat=True)) == {"slow"}
    assert Allowance.objects.count() == 1
    assert len(take(run, clock)) == 1


def tune(processor: Processor, limits: list[str]) -> None:
    given = {"parallelism": 2, "concurrency": 1, "batch_size": 500, "rate_limits": limits}
    editing.tune(processor.pk, given, act())
