"""After a fault was cleared, one worker tries a few records before everything goes on."""

import pytest

from processors import control, cycle
from processors.clock import database_now
from processors.force_stop import force_stop
from processors.models import Attempt, Batch, Event, Processor, Record, Run
from processors.protocol import faults
from processors.protocol.claiming import claim
from processors.protocol.gate import Ask
from processors.protocol.working import source_of
from processors.states import RecordState, RunState
from tests.faulted.conftest import FAILING
from tests.stories import LATER, act, define, faulted, fill_inbox, numbered, run_here

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "shop"]),
    pytest.mark.usefixtures("clean_ledger"),
]


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
    force_stop(processor.pk, act(), typed_name=processor.slug)
    run.refresh_from_db()

    assert lease is not None
    assert stopping == RunState.STOPPING
    assert run.state == RunState.FAILED
