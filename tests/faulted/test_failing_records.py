"""A processor whose records fail is stopped by the machine, at the cost of a few of them."""

import itertools
import threading

import pytest

from processors import control, cycle, maintenance
from processors.clock import database_now
from processors.cycle.hands import Threads
from processors.explain import why
from processors.models import Event, Processor, Record, Run
from processors.sources.base import Claimed
from processors.states import RecordState, RunState
from tests.faulted.conftest import FAILING, touched
from tests.stories import LATER, act, counters, define, faulted, fill_inbox, numbered, run_here
from tests.waiting import PATIENCE_SECONDS

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "shop"]),
    pytest.mark.usefixtures("clean_ledger"),
]


@pytest.mark.parametrize("word", ["raise", "reject", "retry"])
def test_a_bad_deploy_costs_a_few_records_and_says_so(word: str) -> None:
    processor = define("obey", backoff=LATER)
    fill_inbox(processor, {key: {"do": word} for key in FAILING})

    run = run_here(processor)

    assert run.state == RunState.FAILED
    assert 10 <= touched() <= 60
    assert set(Record.objects.values_list("attempts", flat=True)) <= {0, 1}
    assert "records failed" in run.fault_reason
    assert "clear the fault and start" in run.fault_reason
    assert faulted(processor) == run.fault_reason
    assert why(processor, database_now()).startswith("Faulted: ")


def test_the_reason_quotes_the_last_error() -> None:
    processor = define("obey", backoff=LATER)
    fill_inbox(processor, FAILING)

    run_here(processor)

    assert "KeyError: 'colour'" in faulted(processor)


def test_failures_are_told_of_in_both_histories() -> None:
    processor = define("obey", backoff=LATER, trigger={"kind": "arrival"})
    fill_inbox(processor, FAILING)
    control.start(processor.pk, act())

    cycle.work(Run.objects.get().pk)

    moves = Event.objects.order_by("id").values_list("subject", "action", "from_state", "to_state")
    assert list(moves) == [
        ("processor", "start", "stopped", "started"),
        ("run", "begin", "", "running"),
        ("processor", "fault", "started", "stopped"),
        ("run", "fault", "running", "stopping"),
        ("run", "end", "stopping", "failed"),
    ]
    maintenance.tick()
    assert Run.objects.count() == 1


def test_short_cycles_add_up() -> None:
    processor = define("obey", backoff=LATER, trigger={"kind": "arrival"})
    control.start(processor.pk, act())

    for n in range(4):
        fill_inbox(processor, {f"{n}-{m}": {"do": "raise"} for m in range(3)})
        Processor.objects.filter(state="started").update(next_due_at=database_now())
        maintenance.tick()
        for run in Run.objects.active():
            cycle.work(run.pk)

    assert "10 of the last 10" in faulted(processor)


@pytest.mark.parametrize("concurrency", [1, 8])
def test_a_few_failures_among_successes_trip_nothing(concurrency: int) -> None:
    processor = define("obey", backoff=LATER, concurrency=concurrency)
    payloads = {f"key-{n:04}": {"do": "" if n % 4 else "raise"} for n in range(300)}
    fill_inbox(processor, payloads)

    run = run_here(processor)

    assert run.state == RunState.FINISHED
    assert not faulted(processor)


def test_a_poison_record_or_two_that_fail_for_ever_trip_nothing() -> None:
    processor = define("obey", max_attempts=20, backoff={"base_seconds": 0, "cap_seconds": 1})
    fill_inbox(processor, {"a": {"do": "retry"}, "b": {"do": "retry"}})

    run_here(processor)

    assert not faulted(processor)
    assert Record.objects.filter(state=RecordState.DEAD).count() == 2


def test_some_that_are_tried_again_and_again_do_not_hide_the_many_that_went_well() -> None:
    on_arrival, small = {"kind": "arrival"}, {"window": 40}
    processor = define("obey", backoff=LATER, max_attempts=20, trigger=on_arrival, breaker=small)
    fill_inbox(processor, {f"key-{n:02}": {"do": "" if n % 6 else "raise"} for n in range(72)})
    control.start(processor.pk, act())
    waiting = Record.objects.filter(state=RecordState.READY)

    for _round in range(7):
        for run in Run.objects.active():
            cycle.work(run.pk)
        waiting.update(available_at=database_now())
        Processor.objects.filter(state="started").update(next_due_at=database_now())
        maintenance.tick()

    assert not faulted(processor)
    assert set(waiting.values_list("attempts", flat=True)) == {7}


def test_threads_trip_it_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    hold_back_after(10, monkeypatch)
    processor = define("obey", backoff=LATER, concurrency=8)
    fill_inbox(processor, FAILING)

    run = run_here(processor)

    assert run.state == RunState.FAILED
    assert touched() <= 10 + 8  # and what was in their hands then


def hold_back_after(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads treat so many records, and no more before the others were taken from them."""
    taken, withdrawn = itertools.count(1), threading.Event()
    take_up, withdraw = Threads.take_up, Threads.withdraw

    def take_up_or_wait(hands: Threads, claimed: Claimed) -> bool:
        assert next(taken) <= number or withdrawn.wait(PATIENCE_SECONDS)
        return take_up(hands, claimed)

    def withdraw_and_say_so(hands: Threads) -> list[Claimed]:
        left = withdraw(hands)
        withdrawn.set()
        return left

    monkeypatch.setattr(Threads, "take_up", take_up_or_wait)
    monkeypatch.setattr(Threads, "withdraw", withdraw_and_say_so)


def test_a_batch_handler_that_fails_costs_no_attempt_of_the_innocent() -> None:
    processor = define("together", backoff=LATER, batch_size=50)
    fill_inbox(processor, {key: {"poison": True} for key in FAILING})

    run = run_here(processor)

    assert run.state == RunState.FAILED
    assert Record.objects.filter(attempts__gt=0).count() <= 15


def test_it_can_be_turned_off() -> None:
    processor = define("obey", backoff=LATER, breaker={"on": False})
    fill_inbox(processor, FAILING)

    run = run_here(processor)

    assert run.state == RunState.FINISHED
    assert counters(run)["retried"] == 300


def test_its_limits_are_the_processors_own() -> None:
    processor = define("obey", backoff=LATER, breaker={"failures": 2, "share_percent": 1})
    fill_inbox(processor, numbered(20) | {"x": {"do": "raise"}, "y": {"do": "raise"}})

    assert run_here(processor).state == RunState.FAILED
