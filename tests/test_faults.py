"""A processor that does harm is stopped by the machine, at the cost of a few records."""

import pytest

from processors import control, cycle, maintenance
from processors.clock import database_now
from processors.explain import why
from processors.handlers import registry
from processors.models import Attempt, Batch, Event, Processor, Record, Run
from processors.protocol import faults, reaping
from processors.protocol.gate import Ask
from processors.protocol.leases import claim
from processors.protocol.working import source_of
from processors.states import RecordState, RunState
from tests.conftest import StartWorker
from tests.stories import act, counters, define, fill_inbox, numbered, run_here, wait_for_end

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "shop"]),
    pytest.mark.usefixtures("clean_ledger"),
]

FAILING = {f"bad-{n:04}": {"do": "raise"} for n in range(300)}
LATER = {"base_seconds": 600, "cap_seconds": 600}


def faulted(processor: Processor) -> str:
    """Why it was stopped; empty where it was not."""
    processor.refresh_from_db()
    return processor.fault_reason


def touched() -> int:
    return Record.objects.exclude(state=RecordState.READY, attempts=0, crashes=0).count()


# Every record fails


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


def test_threads_trip_it_as_well() -> None:
    processor = define("obey", backoff=LATER, concurrency=8)
    fill_inbox(processor, FAILING)

    run = run_here(processor)

    assert run.state == RunState.FAILED
    assert touched() <= 200


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


# Half open


def trip(processor: Processor) -> None:
    fill_inbox(processor, FAILING)
    run_here(processor)
    assert faulted(processor)


def test_start_clears_a_fault_and_a_few_records_are_tried_first() -> None:
    processor = define("obey", backoff=LATER, trigger={"kind": "arrival"})
    trip(processor)
    Record.objects.update(payload={}, available_at=database_now())

    said = control.start(processor.pk, act())
    run = Run.objects.latest("id")
    cycle.work(run.pk)

    assert said == "Its fault was cleared; a few records are tried first. Story was started."
    sizes = list(Batch.objects.filter(run=run).order_by("id").values_list("claimed", flat=True))
    assert sizes[0] == 5
    assert max(sizes) > 5
    assert Record.objects.filter(state=RecordState.DONE).count() == 300
    processor.refresh_from_db()
    assert not processor.on_trial


def test_a_test_batch_that_fails_costs_three_records() -> None:
    processor = define("obey", backoff=LATER, trigger={"kind": "arrival"})
    trip(processor)
    before = Attempt.objects.count()

    control.start(processor.pk, act())
    cycle.work(Run.objects.latest("id").pk)

    assert faulted(processor).startswith("After its fault was cleared, ")
    assert 3 <= Attempt.objects.count() - before <= 5


def test_only_one_worker_takes_part_in_a_trial() -> None:
    processor = define("obey", parallelism=4)
    fill_inbox(processor, numbered(50))
    Processor.objects.update(on_trial=True)
    run = control.run_once(processor.pk, act())
    source = source_of(run)

    first, second = (claim(source, Ask(run.pk, f"worker-{n}")) for n in range(2))

    assert first is not None
    assert len(first.claimed) == 5
    assert second is None


def test_run_once_clears_a_fault_as_well() -> None:
    processor = define("obey", backoff=LATER)
    trip(processor)

    control.run_once(processor.pk, act())

    assert not faulted(processor)
    assert Event.objects.filter(action="clear-fault").count() == 1


def test_an_operators_stop_of_a_faulted_run_leaves_it_failed() -> None:
    processor = define("obey", trigger={"kind": "arrival"})
    fill_inbox(processor, numbered(5))
    control.start(processor.pk, act())
    run = Run.objects.get()
    lease = claim(source_of(run), Ask(run.pk, "worker"))

    faults.fault(run.pk, "The roof is on fire.")
    run.refresh_from_db()
    stopping = run.state
    control.force_stop(processor.pk, act(), typed_name=processor.slug)
    run.refresh_from_db()

    assert lease is not None
    assert stopping == RunState.STOPPING
    assert run.state == RunState.FAILED


# Workers that end


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


# The handler


def test_a_handler_that_no_worker_has_faults_the_run_with_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processor = define("obey")
    fill_inbox(processor, numbered(5))
    run = control.run_once(processor.pk, act())
    monkeypatch.delitem(registry._handlers, "handling.obey")
    monkeypatch.setitem(registry.failures, "handling", "ModuleNotFoundError: No module named 'x'")

    cycle.work(run.pk)
    run.refresh_from_db()

    assert run.state == RunState.FAILED
    assert "'handling.obey'" in faulted(processor)
    assert "No module named 'x'" in faulted(processor)
    assert touched() == 0


def test_a_handler_that_another_worker_has_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from processors import queues

    processor = define("obey")
    fill_inbox(processor, numbered(5))
    run = control.run_once(processor.pk, act())
    monkeypatch.delitem(registry._handlers, "handling.obey")
    other = queues.WorkerFacts("w2", queues=("default",), handlers=("handling.obey",))
    monkeypatch.setattr(queues, "other_workers", lambda *_: [other])

    cycle.work(run.pk)
    run.refresh_from_db()

    assert run.state == RunState.RUNNING
    assert not Attempt.objects.exists()


@pytest.mark.parametrize(
    ("told", "state"), [(None, RunState.RUNNING), (("handling.echo",), RunState.FAILED)]
)
def test_a_worker_that_does_not_tell_its_handlers_is_given_time_to_begin(
    monkeypatch: pytest.MonkeyPatch, told: tuple[str, ...] | None, state: RunState
) -> None:
    from processors import queues

    processor = define("obey")
    fill_inbox(processor, numbered(5))
    run = control.run_once(processor.pk, act())
    monkeypatch.delitem(registry._handlers, "handling.obey")
    other = queues.WorkerFacts("w2", queues=("default",), handlers=told)
    monkeypatch.setattr(queues, "other_workers", lambda *_: [other])

    cycle.work(run.pk)
    run.refresh_from_db()

    assert run.state == state
    assert not Attempt.objects.exists()


def test_options_that_no_longer_fit_fault_the_run() -> None:
    processor = define("effect", options={"seconds": 1})
    fill_inbox(processor, numbered(5))
    run = control.run_once(processor.pk, act())
    Run.objects.update(config={**run.config, "options": {"colour": "red"}})

    cycle.work(run.pk)
    run.refresh_from_db()

    assert run.state == RunState.FAILED
    assert "Unknown option 'colour'" in faulted(processor)
    assert touched() == 0


def test_an_unset_variable_faults_the_run_and_names_it() -> None:
    processor = define("outside", options={"seconds": "env:RECORDMILL_NOWHERE"})
    fill_inbox(processor, numbered(5))
    run = control.run_once(processor.pk, act())

    cycle.work(run.pk)
    run.refresh_from_db()

    assert run.state == RunState.FAILED
    assert "RECORDMILL_NOWHERE is not set in this worker's environment" in faulted(processor)
    assert touched() == 0


@pytest.mark.slow
def test_a_worker_gives_the_handler_a_variable_of_its_own(start_worker: StartWorker) -> None:
    processor = define("show_options", options={"word": "env:PARTNER_TOKEN"})
    fill_inbox(processor, {"a": {}})
    start_worker(PARTNER_TOKEN="from the worker")

    wait_for_end(control.run_once(processor.pk, act()))

    assert Record.objects.get().result == "from the worker"
    assert not Run.objects.filter(config__icontains="from the worker").exists()
