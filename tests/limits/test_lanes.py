"""What waits for a slow key is in nobody's way: other keys, late comers, a run and its end."""

from datetime import timedelta
from itertools import pairwise
from unittest.mock import Mock

import pytest

from processors import control, maintenance
from processors.clock import database_now
from processors.models import Lane, Record, Run
from processors.protocol import claiming, cycles
from processors.protocol.gate import Ask
from processors.protocol.working import source_of
from tests.limits.conftest import BY_CUSTOMER, begin, count, customers, take
from tests.model.clockwork import Clockwork
from tests.stories import act, define, fill_inbox, run_here

pytestmark = pytest.mark.django_db(transaction=True)


def test_many_records_of_one_key_stop_nobody(clock: Clockwork) -> None:
    processor = define("echo", rate_limits=[BY_CUSTOMER], batch_size=10)
    fill_inbox(processor, customers(slow=3_000) | customers(a=1, b=1, c=1))
    run = begin(processor)

    first = take(run, clock)
    second = take(run, clock)

    assert {name for _, name in first + second} == {"slow", "a", "b", "c"}
    assert Record.objects.in_lanes().count() == 2_999


def test_what_waits_for_another_limit_too_is_not_tried_one_by_one(clock: Clockwork) -> None:
    limits = ["60/min by customer", "1/h by region"]
    processor = define("echo", rate_limits=limits, batch_size=10)
    payload = {"customer": "slow", "region": "x"}
    fill_inbox(processor, {f"{n}": payload | {"region": f"{n // 100}"} for n in range(300)})
    run = begin(processor)
    take(run, clock)
    Record.objects.in_lanes().update(lane=Lane.objects.get(value="slow"))
    Lane.objects.filter(value="slow").update(waits=True)
    clock.advance(2)

    taken = take(run, clock) + take(run, clock)

    assert len(taken) == 1
    assert Record.objects.in_lanes().filter(lane__limit=limits[1]).count() > 90


def test_what_waits_in_a_lane_is_not_looked_at_again(clock: Clockwork) -> None:
    processor = define("echo", rate_limits=[BY_CUSTOMER])
    fill_inbox(processor, customers(slow=50))
    run = begin(processor)
    take(run, clock)
    before = list(Record.objects.in_lanes().order_by("id").values())

    assert take(run, clock) == []

    assert list(Record.objects.in_lanes().order_by("id").values()) == before


def test_a_claim_takes_no_more_than_is_begun_soon(clock: Clockwork) -> None:
    processor = define("echo", rate_limits=[BY_CUSTOMER])
    fill_inbox(processor, {f"{n}": {"customer": n} for n in range(20)})

    lease = claiming.claim(source_of(run := begin(processor)), Ask(run.pk, "a", hand=3))

    assert lease is not None
    assert len(lease.claimed) == 3


def test_a_run_goes_on_until_the_last_of_a_slow_key_was_handled() -> None:
    processor = define("echo", rate_limits=["200/s by customer"], batch_size=50)
    fill_inbox(processor, customers(slow=120))

    run = run_here(processor)

    assert run.state == "finished"
    assert run.done == 120
    assert not Record.objects.in_lanes().exists()


def test_a_held_run_goes_on_and_is_woken_in_time(
    clock: Clockwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = Mock(return_value=True)
    monkeypatch.setattr("processors.queues.relay", relay)
    processor = define("echo", rate_limits=[BY_CUSTOMER])
    fill_inbox(processor, customers(slow=5))
    run = begin(processor)
    take(run, clock)
    take(run, clock)

    for _ in range(10):
        maintenance.tick()
        clock.advance(1)
    assert not relay.called
    for _ in range(3):
        maintenance.tick()
        clock.advance(1)

    run.refresh_from_db()
    assert relay.call_count == 1
    assert run.state == "running"


def test_who_comes_late_does_not_wait_for_a_slow_key(clock: Clockwork) -> None:
    trigger = {"kind": "interval", "pause_seconds": 30}
    processor = define("echo", rate_limits=[BY_CUSTOMER], trigger=trigger)
    fill_inbox(processor, customers(slow=50))
    run = begin(processor)
    take(run, clock)
    fill_inbox(processor, customers(late=1))

    assert count(take(run, clock), "late") == 0
    maintenance.tick()
    assert count(take(run, clock), "late") == 0
    clock.advance(31)
    maintenance.tick()
    run.refresh_from_db()

    assert count(take(run, clock) + take(run, clock), "late") == 1


def test_what_is_held_when_a_run_is_stopped_is_the_next_ones(clock: Clockwork) -> None:
    trigger = {"kind": "arrival"}
    processor = define("echo", rate_limits=[BY_CUSTOMER], trigger=trigger)
    fill_inbox(processor, customers(slow=3))
    control.start(processor.pk, act())
    run = cycles.begin_due(processor.pk) or Run.objects.get()
    take(run, clock)
    control.stop(processor.pk, act())
    cycles.end_cycle(run.pk)

    control.start(processor.pk, act())
    again = cycles.begin_due(processor.pk) or Run.objects.active_of(processor.pk)
    clock.advance(13)

    assert again is not None
    assert len(take(again, clock)) == 1


def test_what_travels_alone_keeps_its_keys_limit_and_has_its_turn(clock: Clockwork) -> None:
    processor = define("echo", rate_limits=["1/min by customer"])
    fill_inbox(processor, customers(a=10))
    run, taken = begin(processor), []
    take(run, clock)
    Record.objects.filter(key="a-0009").update(
        alone=True, lane=None, available_at=database_now(), maybe_seen=True
    )

    for _ in range(60):
        clock.advance(5)
        taken += take(run, clock, by=lambda payload: payload["n"])

    assert 9 in {n for _, n in taken}
    assert all(one[0] < other[0] - timedelta(seconds=59.9)
               for one, other in pairwise(taken))  # fmt: skip
