"""Stop, pause, resume and force stop, while workers are at it."""

import pytest

from processors import control
from processors.acts import Act, Refused
from processors.cycle import shift
from processors.force_stop import force_stop
from processors.handlers import Context, Handler, registry
from processors.handlers import Record as Given
from processors.models import Attempt, Batch, Event, Processor, Record, Run
from processors.states import CloseReason, ProcessorState, RecordState, RunState
from tests.conftest import StartWorker
from tests.handling.models import Effect
from tests.stories import (
    act,
    begin_run,
    counters,
    define,
    fill_inbox,
    handled_keys,
    numbered,
    run_here,
    wait_for_effects,
    wait_for_end,
)
from tests.tables import Table
from tests.waiting import wait_until

ROWS = 2_000  # far more than are handled before anybody says stop


@pytest.mark.parametrize("seconds", [0.05, 0.4])
def test_stop_acts_within_one_record_of_each_worker(
    start_worker: StartWorker, seconds: float
) -> None:
    goods = Table()
    goods.fill(range(1, ROWS + 1))
    processor = define("outside", goods.source(), options={"seconds": seconds}, parallelism=2)
    start_worker()
    start_worker()
    run = control.run_once(processor.pk, act())
    wait_for_effects(4)

    control.stop(processor.pk, act("enough"))
    begun = Effect.objects.count()
    wait_for_end(run)

    # Each worker may have begun one more between the stop and our count.
    assert Effect.objects.count() <= begun + 2
    assert run.state == RunState.STOPPED
    done = Effect.objects.count()
    assert goods.statuses() == {"DONE": done, "NEW": ROWS - done}
    assert counters(run)["claimed"] == counters(run)["done"] + counters(run)["released"]

    Effect.objects.all().update(run=0)
    processor.refresh_from_db()
    control.start(processor.pk, act("go on"))
    wait_until(lambda: Effect.objects.count() > begun + 4, message="Start did not continue")
    control.stop(processor.pk, act("enough"))
    wait_for_end(Run.objects.latest("seq"))
    assert len(set(handled_keys())) == len(handled_keys())
    goods.drop()


def test_pause_and_resume_keep_the_same_run(start_worker: StartWorker) -> None:
    processor = define("holding", options={"since": 2})
    fill_inbox(processor, numbered(60))
    start_worker()
    control.start(processor.pk, act())
    wait_for_effects(3)

    control.pause(processor.pk, act("lunch"))
    run = Run.objects.get()
    wait_until(lambda: Run.objects.get().state == RunState.PAUSED, message="it did not pause")
    assert Effect.objects.count() == 3
    assert not Batch.objects.leased().exists()
    control.resume(processor.pk, act("back"))
    wait_for_end(run)

    assert Run.objects.count() == 1
    assert counters(run)["done"] == 60
    assert handled_keys() == sorted(numbered(60))
    moves = Event.objects.filter(run=run).order_by("id").values_list("to_state", flat=True)
    assert list(moves) == ["running", "pausing", "paused", "running", "finished"]


def test_a_handler_hears_amid_its_record_that_the_run_is_to_leave(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[bool] = []

    def listen(record: Given, context: Context) -> None:
        heard.append(context.should_stop())
        control.stop(processor.pk, act())
        heard.append(context.should_stop())

    monkeypatch.setattr(shift, "LOOK_SECONDS", 0)
    listening = Handler("handling.listening", "Listen", listen)
    monkeypatch.setitem(registry._handlers, listening.name, listening)
    processor = define("listening")
    fill_inbox(processor, numbered(3))

    run = run_here(processor)

    assert heard == [False, True]
    assert (run.state, run.done) == (RunState.STOPPED, 1)


def test_force_stop_does_not_wait_and_puts_the_record_in_hand_under_suspicion(
    start_worker: StartWorker,
) -> None:
    start_worker()
    run = begin_run("outside", 5, options={"seconds": 20})
    wait_for_effects(1)

    with pytest.raises(Refused, match="type story"):
        force_stop(run.processor_id, act(), typed_name="wrong")
    force_stop(run.processor_id, act("stuck"), typed_name="story")

    run.refresh_from_db()
    assert run.state == RunState.STOPPED
    assert Batch.objects.get().close_reason == CloseReason.FORCED
    assert Attempt.objects.get().outcome == "crashed"
    assert Record.objects.filter(state=RecordState.READY).count() == 5


def test_the_same_click_sent_twice_acts_once(transactional_db: None) -> None:
    import uuid

    processor = define("echo")
    twice = Act(act().actor, "test", operation=uuid.uuid4(), trusted=True)

    control.start(processor.pk, twice)
    message = control.start(processor.pk, twice)

    assert "already" in message
    assert Event.objects.filter(action="start").count() == 1


def test_an_act_on_an_outdated_page_is_refused_by_name(transactional_db: None) -> None:
    processor = define("echo")
    control.start(processor.pk, act())
    outdated = Act(act().actor, "late", version=processor.version, trusted=True)

    with pytest.raises(Refused, match="command-line"):
        control.stop(processor.pk, outdated)

    assert Processor.objects.get().state == ProcessorState.STARTED


@pytest.mark.parametrize(
    ("verb", "sentence"),
    [
        (control.stop, "stopped already"),
        (control.pause, "nothing to pause"),
        (control.resume, "nothing to resume"),
        (control.clear_fault, "no fault"),
    ],
)
def test_an_act_that_is_not_possible_is_refused_with_a_sentence(
    transactional_db: None, verb: object, sentence: str
) -> None:
    processor = define("echo")

    with pytest.raises(Refused, match=sentence):
        verb(processor.pk, act())  # type: ignore[operator]


def test_start_right_after_stop_is_remembered(start_worker: StartWorker) -> None:
    processor = define("holding", trigger={"kind": "arrival"})
    fill_inbox(processor, numbered(6))
    start_worker()
    control.start(processor.pk, act())
    wait_for_effects(1)

    control.stop(processor.pk, act())
    control.start(processor.pk, act())
    first = Run.objects.get(seq=1)
    wait_for_end(first)
    wait_until(lambda: Run.objects.filter(seq=2).exists(), message="no second run")
    wait_for_end(Run.objects.get(seq=2))

    assert first.state == RunState.STOPPED
    assert handled_keys() == sorted(numbered(6))


def test_a_doubled_click_on_run_once_begins_one_run(transactional_db: None) -> None:
    import uuid

    processor = define("echo")
    twice = Act(act().actor, "test", operation=uuid.uuid4(), trusted=True)
    run = control.run_once(processor.pk, twice)
    from processors import cycle

    cycle.work(run.pk)

    with pytest.raises(Refused, match="already"):
        control.run_once(processor.pk, twice)

    assert Run.objects.count() == 1


def test_start_goes_on_with_a_run_that_was_begun_by_hand_and_paused(transactional_db: None) -> None:
    run = begin_run("effect", 3)
    control.pause(run.processor_id, act())

    message = control.start(run.processor_id, act())

    run.refresh_from_db()
    assert run.state == RunState.RUNNING
    assert message == "Story was started and goes on with run 1."


def test_a_plain_pause_alarms_nobody(start_worker: StartWorker) -> None:
    processor = define("holding", options={"since": 2})
    fill_inbox(processor, numbered(60))
    worker = start_worker()
    control.start(processor.pk, act())
    wait_for_effects(3)

    control.pause(processor.pk, act("lunch"))
    wait_until(lambda: Run.objects.get().state == RunState.PAUSED, message="it did not pause")

    assert "WARNING" not in worker.log()
