"""Limits that hold for each key by itself: exact, shared, and in nobody else's way."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import count as counting
from itertools import pairwise
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from processors import control, editing, maintenance
from processors.clock import database_now
from processors.definitions import InvalidDefinition, clean, dump
from processors.handlers.outcomes import Outcome
from processors.models import IN_LANE, Allowance, Batch, Lane, Processor, Record, Run
from processors.protocol import cycles, lanes, leases
from processors.protocol.gate import Ask
from processors.protocol.leases import Lease, Step
from processors.protocol.working import source_of
from processors.rates import InvalidRate, Rate
from processors.sources.base import Settlement
from processors.states import CloseReason
from tests.model.clockwork import BEGINNING, Clockwork, stopped_clock
from tests.stories import act, define, fill_inbox, run_here
from tests.tables import Table

pytestmark = pytest.mark.django_db(transaction=True)

Taken = list[tuple[datetime, Any]]

BY_CUSTOMER = "5/min by customer"


@pytest.fixture
def clock() -> Iterator[Clockwork]:
    with stopped_clock() as clock:
        yield clock


# How they are written


@pytest.mark.parametrize(
    ("text", "usual"),
    [
        ("5/min by customer", "5/min by customer"),
        (" 1,000 / h  by  payload.customer.id ", "1000/h by customer.id"),
        ("5/s by key", "5/s by key"),
        ("5/s by payload.key", "5/s by payload.key"),
        ("5/s by payload", "5/s by payload"),
        ("5/s by payload.payload", "5/s by payload.payload"),
        ("5/s by Kunden Nr", "5/s by Kunden Nr"),
    ],
)
def test_a_limit_by_a_key_reads_as_it_is_written(text: str, usual: str) -> None:
    assert str(Rate.parse(text)) == usual
    assert str(Rate.parse(usual)) == usual


@pytest.mark.parametrize(
    "text",
    ["5/min by", "5/min by ", "5/minby x", "5/min by a..b", "5/min by .", "5/min by \x00",
     "5/min by " + "a" * 101, "by customer", "5/min per customer"],
)  # fmt: skip
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidRate):
        Rate.parse(text)


@pytest.mark.parametrize(
    ("by", "value"),
    [
        ("customer.id", "7"),
        ("items.1", "b"),
        ("items.9", ""),
        ("customer", '{"id": 7}'),
        ("missing", ""),
        ("nothing", ""),
        ("name.first", ""),
        ("yes", "True"),
        ("key", "k-1"),
        ("payload.key", "inside"),
    ],
)
def test_a_key_is_found_in_the_payload(by: str, value: str) -> None:
    payload = {
        "customer": {"id": 7}, "items": ["a", "b"], "nothing": None, "name": "x", "yes": True,
        "key": "inside",
    }  # fmt: skip

    assert Rate.parse(f"5/s by {by}").value("k-1", payload) == value


def test_long_keys_stay_different() -> None:
    rate = Rate.parse("5/s by name")

    one, other = (rate.value("", {"name": "x" * 500 + end}) for end in "ab")

    assert one != other
    assert len(one) == len(other) == 200


def test_a_definition_keeps_its_limits_by_key() -> None:
    processor = define("echo", rate_limits=["10/s", BY_CUSTOMER, "5/min by region"])

    assert dump(processor)["rate_limits"] == ["10/s", BY_CUSTOMER, "5/min by region"]


@pytest.mark.parametrize(
    ("source", "limit", "said"),
    [
        ({}, "5/min by custmer", "no column 'custmer'"),
        ({}, "5/min by status", "no column 'status'"),
    ],
)
def test_a_column_that_is_not_in_the_payload_is_refused(
    source: Mapping[str, Any], limit: str, said: str
) -> None:
    table = Table()

    assert said in refused(source={**table.source(payload=["name"]), **source}, limits=[limit])
    assert refused(source=table.source(payload=["name"]), limits=["5/min by name"]) == ""
    assert refused(source=table.source(), limits=["5/min by key"]) == ""
    table.drop()


def test_a_field_that_no_record_has_is_refused() -> None:
    processor = define("echo", rate_limits=["5/min by region"])
    fill_inbox(processor, {"a": {"client": 1}})

    said = refused(limits=["9/h by customer.id"], existing=processor)

    assert "none of the newest 1 records has a field 'customer.id'" in said
    assert "client" in said
    assert refused(limits=["9/h by client"], existing=processor) == ""
    assert refused(limits=["9/h by region"], existing=processor) == ""


def refused(
    limits: Sequence[str],
    source: Mapping[str, Any] | None = None,
    existing: Processor | None = None,
) -> str:
    data = {"slug": "story", "name": "Story", "handler": "handling.echo"}
    given = {**data, "source": source or {"kind": "inbox"}, "rate_limits": limits}
    try:
        clean(given, existing=existing)
    except InvalidDefinition as error:
        return " ".join(error.errors["rate_limits"])
    return ""


# What passes


def test_no_more_of_a_key_is_begun_than_its_limit_says_and_the_others_go_on(
    clock: Clockwork,
) -> None:
    processor = define("echo", rate_limits=[BY_CUSTOMER], batch_size=50)
    fill_inbox(processor, customers(slow=40) | customers(quick=3) | customers(other=3))
    taken = work(begin(processor), clock, 240)

    assert all(most_within_a_minute(taken, name) <= 5 for name in ("slow", "quick", "other"))
    assert count(taken, "slow") == 20  # four minutes at five
    assert [at for at, name in taken if name == "quick"][2] - taken[0][0] <= timedelta(seconds=26)


@given(
    count=st.integers(1, 2000),
    unit=st.sampled_from(["s", "min", "h"]),
    pauses=st.lists(st.floats(0.001, 5), min_size=1, max_size=200),
)
def test_over_a_minute_never_one_too_many_passes(
    count: int, unit: str, pauses: list[float]
) -> None:
    rate, now = Rate(count, unit, "customer"), BEGINNING
    free_at, taken = now, []

    for pause in pauses:
        now += timedelta(seconds=pause)
        room = rate.room(free_at, now)
        free_at = rate.after(free_at, room, now)
        taken.append((now, room))

    window = timedelta(seconds=max(60, rate.per_seconds))
    allowed = count * window.total_seconds() / rate.per_seconds
    for at, _ in taken:
        assert sum(number for when, number in taken if at <= when < at + window) <= allowed


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


# Nobody's way


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

    lease = leases.claim(source_of(run := begin(processor)), Ask(run.pk, "a", hand=3))

    assert lease is not None
    assert len(lease.claimed) == 3


# The run meanwhile


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


# Under suspicion


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


# Changed while it runs


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


def test_a_clock_that_went_back_holds_nobody_for_long(clock: Clockwork) -> None:
    processor = define("echo", rate_limits=[BY_CUSTOMER])
    fill_inbox(processor, customers(slow=5))
    run = begin(processor)
    take(run, clock)

    Lane.objects.update(free_at=clock.now + timedelta(days=1))
    maintenance.tick()

    assert len(take(run, clock)) == 1


def test_idle_lanes_are_forgotten_and_those_that_are_needed_stay(clock: Clockwork) -> None:
    processor = define("echo", rate_limits=[BY_CUSTOMER])
    fill_inbox(processor, customers(once=1, slow=30))
    run = begin(processor)
    take(run, clock)
    take(run, clock)

    clock.advance(140)
    lanes.keep_up(database_now())

    assert set(Lane.objects.values_list("value", flat=True)) == {"slow"}
    assert Allowance.objects.count() == 1
    assert len(take(run, clock)) == 1


# Tables


def test_rows_of_a_table_keep_to_limits_by_a_column(clock: Clockwork) -> None:
    table = Table()
    table.fill(range(1, 21))
    table.run("UPDATE goods SET name = CASE WHEN id <= 15 THEN 'slow' ELSE 'other' END")
    processor = define("echo", table.source(payload=["name"]), rate_limits=["5/min by name"])
    run = begin(processor)

    taken = work(run, clock, 240, by=lambda payload: payload["name"])
    cycles.end_cycle(run.pk)

    run.refresh_from_db()
    assert Counter(name for _, name in taken) == {"slow": 15, "other": 5}
    assert most_within_a_minute(taken, "slow") == 5
    assert table.statuses() == {"DONE": 20}
    assert run.state == "finished"
    table.drop()


def test_a_row_that_its_owner_took_back_is_not_handled(clock: Clockwork) -> None:
    table = Table()
    table.fill([1, 2])
    processor = define("outside", table.source(payload=["status"]), rate_limits=["1/min by status"])
    run = begin(processor)
    take(run, clock)
    table.set_status(2, "CANCELLED")
    clock.advance(61)

    lease = claimed(run)

    assert lease is not None
    assert lease.claimed[0].payload == {}
    table.drop()


def test_a_row_that_waits_may_be_set_to_new_again(clock: Clockwork) -> None:
    table = Table()
    table.fill([1, 2])
    processor = define("echo", table.source(payload=["name"]), rate_limits=["1/h by key"])
    run = begin(processor)
    take(run, clock)
    table.set_status(1, "NEW")
    take(run, clock)
    assert Record.objects.in_lanes().count() == 1

    table.set_status(1, "NEW")
    take(run, clock)

    assert Record.objects.in_lanes().count() == 1
    assert Record.objects.filter(state="claimed").count() == 0
    table.drop()


# Tools


def customers(**counts: int) -> dict[str, dict[str, Any]]:
    return {f"{name}-{n:04}": {"customer": name, "n": n}
            for name, count in counts.items() for n in range(count)}  # fmt: skip


def begin(processor: Processor) -> Run:
    return control.run_once(processor.pk, act())


def claimed(run: Run, owner: str = "host:1:a") -> Lease | None:
    return leases.claim(source_of(run), Ask(run.pk, owner, hand=1_000))


def take(
    run: Run,
    clock: Clockwork,
    owner: str = "host:1:a",
    *,
    failing: bool = False,
    by: Callable[[Any], Any] = lambda payload: payload.get("customer"),
) -> "Taken":
    """Claim and settle at once: when, and whose."""
    lease = claimed(run, owner)
    if lease is None:
        return []
    settlement = Settlement(lease.batch_id, run.pk, lease.owner, clock.now)
    if failing:
        settlement.others = [(c, Outcome("retry", message="x", after=1.0)) for c in lease.claimed]
    else:
        settlement.done = [(c, None) for c in lease.claimed]
    with transaction.atomic(durable=True):
        step = Step(settlement, close=CloseReason.COMPLETED)
        leases.commit_inside(source_of(run), lease, step)
    return [(clock.now, by(c.payload)) for c in lease.claimed]


def work(run: Run, clock: Clockwork, seconds: float, **how: Any) -> Taken:
    """What two workers take who come whenever it is worth while, each a little late."""
    ends_at, taken = clock.now + timedelta(seconds=seconds), Taken()
    for turn in counting():
        if clock.now >= ends_at:
            break
        found = take(run, clock, f"host:{turn % 2}:a", **how)
        taken += found
        held = lanes.held(run.processor, run, clock.now)
        late = 0.01 * (turn % 7)
        if held:
            clock.set(held.until + timedelta(seconds=late))
        elif not found:
            clock.advance(1)
    return taken


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


def tune(processor: Processor, limits: list[str]) -> None:
    given = {"parallelism": 2, "concurrency": 1, "batch_size": 500, "rate_limits": limits}
    editing.tune(processor.pk, given, act())


def count(taken: Taken, name: str) -> int:
    return sum(one == name for _, one in taken)


def most_within_a_minute(taken: Taken, name: Any) -> int:
    times = [at for at, one in taken if one == name]
    minute = timedelta(minutes=1)
    return max((sum(at <= other < at + minute for other in times) for at in times), default=0)
