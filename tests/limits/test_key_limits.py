"""Limits that hold for each key by itself: exact, shared, and together with others."""

from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import given

from processors import control
from processors.clock import database_now
from processors.models import Batch, Record, Run
from processors.protocol import claiming, leases
from processors.protocol.gate import Ask
from processors.protocol.leases import Lease, Step
from processors.protocol.working import source_of
from processors.rates import Rate
from processors.sources.base import Settlement
from processors.states import CloseReason
from tests.limits.conftest import (
    BY_CUSTOMER,
    COUNTS,
    PAUSES,
    UNITS,
    begin,
    claimed,
    count,
    customers,
    let_through,
    most_within,
    most_within_a_minute,
    take,
    work,
)
from tests.model.clockwork import Clockwork
from tests.stories import act, define, fill_inbox

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_claim_that_every_key_holds_back_says_until_when_and_no_other_does(
    clock: Clockwork,
) -> None:
    processor = define("echo", rate_limits=[BY_CUSTOMER], batch_size=50)
    fill_inbox(processor, customers(one=10))
    run = begin(processor)
    first, second = Ask(run.pk, "host:1:a", hand=50), Ask(run.pk, "host:2:a", hand=50)

    assert claiming.claim(source_of(run), first) is not None
    assert claiming.claim(source_of(run), second) is None

    assert first.held is None
    assert second.held is not None
    assert clock.now < second.held.until <= clock.now + timedelta(minutes=1)


def test_no_more_of_a_key_is_begun_than_its_limit_says_and_the_others_go_on(
    clock: Clockwork,
) -> None:
    processor = define("echo", rate_limits=[BY_CUSTOMER], batch_size=50)
    fill_inbox(processor, customers(slow=40) | customers(quick=3) | customers(other=3))
    taken = work(begin(processor), clock, 240)

    assert all(most_within_a_minute(taken, name) <= 5 for name in ("slow", "quick", "other"))
    assert count(taken, "slow") == 20  # four minutes at five
    assert [at for at, name in taken if name == "quick"][2] - taken[0][0] <= timedelta(seconds=26)


@given(count=COUNTS, unit=UNITS, pauses=PAUSES)
def test_over_a_minute_never_one_too_many_passes(
    count: int, unit: str, pauses: list[float]
) -> None:
    rate = Rate(count, unit, "customer")

    passed = let_through(rate, pauses)

    seconds = max(60, rate.per_seconds)
    assert most_within(seconds, passed) <= count * seconds / rate.per_seconds


def test_two_workers_together_are_exact_within_one_percent(clock: Clockwork) -> None:
    wanted = 60
    processor = define("echo", rate_limits=["60/min by customer"])
    fill_inbox(processor, customers(a=80))

    taken = work(begin(processor), clock, 75)

    assert wanted * 0.99 <= most_within_a_minute(taken, "a") <= wanted
    assert len(taken) >= 0.99 * 75


def test_a_retry_counts_as_another_start(clock: Clockwork) -> None:
    processor = define("echo", rate_limits=["1/min by key"], backoff={"base_seconds": 1})
    fill_inbox(processor, {"a": {}})
    run, taken = begin(processor), []

    for _ in range(15):
        taken += take(run, clock, failing=True)
        clock.advance(10)

    assert len(taken) == 3
    assert most_within_a_minute(taken, None) == 1


def test_what_was_given_back_counts_again(clock: Clockwork) -> None:
    processor = define("echo", rate_limits=["1/min by customer"])
    fill_inbox(processor, customers(a=1))
    run = begin(processor)
    lease = claimed(run)
    assert lease is not None

    release(run, lease)

    assert claimed(run) is None
    clock.advance(61)
    assert claimed(run) is not None


def test_all_limits_hold_together(clock: Clockwork) -> None:
    limits = ["1/min by customer", "1/min by region", "100/min"]
    processor = define("echo", rate_limits=limits)
    payloads = {f"{c}{r}{n}": {"customer": c, "region": r}
                for c in "abc" for r in "xy" for n in range(1)}  # fmt: skip
    fill_inbox(processor, payloads)
    whose = lambda payload: (payload["customer"], payload["region"])  # noqa: E731

    taken = work(begin(processor), clock, 60 * 3 + 5, by=whose)

    for place, values in enumerate(["abc", "xy"]):
        named = [(at, key[place]) for at, key in taken]
        assert all(most_within_a_minute(named, value) == 1 for value in values)
    assert len(taken) == len(payloads)


def test_records_without_the_field_count_together(clock: Clockwork) -> None:
    processor = define("echo", rate_limits=["1/min by customer"])
    fill_inbox(processor, {"a": {}, "b": {"customer": None}, "c": {"customer": ""}})

    taken = work(begin(processor), clock, 59)

    assert len(taken) == 1


def test_within_a_key_the_urgent_go_first_and_then_the_oldest(clock: Clockwork) -> None:
    from processors import publish

    payload, trigger = {"customer": "a"}, {"kind": "arrival"}
    processor = define("echo", rate_limits=["1/min by customer"], trigger=trigger)
    publish(processor.slug, [{"key": key, "payload": payload} for key in "abc"])
    control.start(processor.pk, act())
    run, order = Run.objects.get(), []
    order += keys_of(run, clock)
    publish(processor.slug, [{"key": "urgent", "payload": payload, "priority": 9}])
    assert take(run, clock) == []

    for _ in range(4):
        clock.advance(61)
        order += keys_of(run, clock)

    assert order == ["a", "urgent", "b", "c"]


def keys_of(run: Run, clock: Clockwork) -> list[str]:
    before = set(Record.objects.filter(state="done").values_list("key", flat=True))
    take(run, clock)
    return sorted(set(Record.objects.filter(state="done").values_list("key", flat=True)) - before)


def release(run: Run, lease: Lease) -> None:
    empty = Settlement(lease.batch_id, run.pk, lease.owner, database_now())
    with transaction.atomic(durable=True):
        rest = [c.ref for c in lease.claimed]
        step = Step(empty, rest, close=CloseReason.RELEASED)
        leases.commit_inside(source_of(run), lease, step)
    assert Batch.objects.leased().count() == 0
