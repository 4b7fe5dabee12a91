"""A processor whose records end their workers is stopped by the machine."""

import pytest

from processors import control, queues
from processors.clock import database_now
from processors.models import Batch, Event, Record, Run
from processors.protocol import faults, reaping
from processors.protocol.claiming import claim
from processors.protocol.gate import Ask
from processors.protocol.working import source_of
from processors.states import RecordState, RunState
from tests.factories import make_attempt, make_batch, make_record, make_run
from tests.stories import act, counters, define, faulted, fill_inbox, numbered, run_here

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "shop"]),
    pytest.mark.usefixtures("clean_ledger"),
]


def crash(run: Run, owner: str, *, by_a_record: bool = True) -> None:
    """A worker claims, begins a record, and is gone."""
    assert claim(source_of(run), Ask(run.pk, owner)) is not None
    reaping.take_from_dead(owner, by_a_record=by_a_record)
    run.refresh_from_db()


def test_workers_that_end_one_after_the_other_stop_the_processor() -> None:
    processor = define("obey", parallelism=4)
    fill_inbox(processor, numbered(100))
    run = control.run_once(processor.pk, act())

    for n in range(5):
        assert run.state == RunState.RUNNING
        crash(run, f"worker-{n}")

    assert run.state == RunState.FAILED
    assert "5 records in a row ended their worker's process" in faulted(processor)
    assert Record.objects.filter(crashes=1).count() == 5
    assert not Record.objects.filter(state=RecordState.DEAD).exists()


def test_workers_that_hang_in_c_code_until_they_are_given_up_stop_the_processor() -> None:
    processor = define("obey", parallelism=4)
    fill_inbox(processor, numbered(100))
    run = control.run_once(processor.pk, act())

    for n in range(5):
        assert not faulted(processor)
        assert claim(source_of(run), Ask(run.pk, f"worker-{n}")) is not None
        Batch.objects.leased().update(lease_until=database_now())
        reaping.reap(database_now())
        assert reaping.reap(database_now()) == 1
        assert not faulted(processor)
        reaping.take_from_dead(f"worker-{n}")

    assert "5 records in a row ended their worker's process" in faulted(processor)


def test_records_that_must_not_repeat_trip_it_by_being_parked() -> None:
    processor = define("unsure")
    fill_inbox(processor, numbered(100))

    run = run_here(processor)

    assert run.state == RunState.FAILED
    assert counters(run) == {"claimed": 100, "parked": 10, "released": 90}
    assert "10 of the last 10 records failed" in faulted(processor)


def test_workers_that_end_with_what_must_not_repeat_stop_the_processor() -> None:
    processor = define("unrepeatable", parallelism=4)
    fill_inbox(processor, numbered(100))
    run = control.run_once(processor.pk, act())

    for n in range(5):
        crash(run, f"worker-{n}")

    assert "5 records in a row ended their worker's process" in faulted(processor)
    assert Record.objects.filter(state=RecordState.PARKED).count() == 5


def test_a_lost_machine_with_many_workers_is_no_fault() -> None:
    processor = define("obey", parallelism=10)
    fill_inbox(processor, numbered(100))
    run = control.run_once(processor.pk, act())

    for n in range(10):
        crash(run, f"worker-{n}", by_a_record=False)

    assert not faulted(processor)


def test_a_batch_that_is_taken_back_is_told_of_and_somebody_is_woken_for_it() -> None:
    processor = define("obey")
    fill_inbox(processor, numbered(2))
    run = control.run_once(processor.pk, act())
    queues.forget_runs(run.config["queue"], [run.pk])

    crash(run, "worker")

    batch, event = Batch.objects.get(), Event.objects.get(subject="batch")
    assert (event.action, event.reason) == ("reaped", "its process ended")
    assert (event.batch, event.from_state, event.to_state) == (batch, "leased", "closed")
    assert queues.runs_waiting(run.config["queue"]) == {run.pk: 1}


def test_of_a_batch_that_was_answered_together_one_failure_counts() -> None:
    processor = define("together", parallelism=2)
    batch = make_batch(make_run(processor), state="closed", retried=3)
    for n in range(3):
        make_attempt(make_record(processor, key=f"{n}"), batch, error_type="ValueError")

    window = faults.window_of(processor)

    assert (window.failures, window.successes) == (1, 0)
