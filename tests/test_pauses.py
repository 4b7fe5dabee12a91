"""A pause that ends by itself."""

from datetime import datetime, timedelta

import pytest

from processors import control, maintenance
from processors.acts import Refused
from processors.clock import database_now
from processors.explain import why
from processors.models import Event, Processor, Run
from processors.models.run import Trigger
from processors.queues import wakeups
from processors.states import ProcessorState, RunState
from tests.stories import act, define, fill_inbox, numbered

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def processor(transactional_db: None) -> Processor:
    found = define("echo", trigger={"kind": "interval", "pause_seconds": 60})
    control.start(found.pk, act())
    return found


def after(**length: int) -> datetime:
    return database_now() + timedelta(**length)


def pass_time(processor: Processor) -> None:
    """As if the end of the pause had come: one tick ends it."""
    Processor.objects.filter(pk=processor.pk).update(paused_until=after(seconds=-1))
    assert [maintenance.tick().resumed for _ in range(2)] == [1, 0]
    processor.refresh_from_db()


def test_it_says_when_it_ends_and_why(processor: Processor) -> None:
    until = after(days=2).replace(hour=6, minute=0, second=0, microsecond=0)

    message = control.pause(processor.pk, act("CRM maintenance"), until=until)

    processor.refresh_from_db()
    assert f"It goes on by itself at {until:%Y-%m-%d} 06:00 UTC." in message
    assert why(processor, database_now()).endswith("06:00 UTC: CRM maintenance.")


def test_nothing_goes_on_before_its_end(processor: Processor) -> None:
    control.pause(processor.pk, act(), until=after(hours=1))

    maintenance.tick()

    processor.refresh_from_db()
    assert processor.state == ProcessorState.PAUSED


def test_nobody_begins_a_run_by_hand_meanwhile(processor: Processor) -> None:
    control.pause(processor.pk, act("CRM maintenance"))

    with pytest.raises(Refused, match=r"is paused \(by .*\): resume it first"):
        control.run_once(processor.pk, act())


def test_at_its_end_the_machine_resumes_and_signs(processor: Processor) -> None:
    control.pause(processor.pk, act(), until=after(hours=1))

    pass_time(processor)

    assert (processor.state, processor.paused_until) == (ProcessorState.STARTED, None)
    resumed = Event.objects.filter(action="resume").get()
    assert (resumed.actor, resumed.reason) == ("recordmill", "its pause has ended")


def test_where_no_run_waited_the_next_begins_at_once_and_takes_what_is_new(
    processor: Processor,
) -> None:
    fill_inbox(processor, numbered(1))
    control.pause(processor.pk, act())

    control.resume(processor.pk, act())

    assert Run.objects.get().trigger == Trigger.SCHEDULE


def test_the_run_that_waited_is_the_one_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    processor = define("echo")
    fill_inbox(processor, numbered(3))
    run = control.run_once(processor.pk, act())
    control.pause(processor.pk, act(), until=after(hours=1))
    maintenance.tick()
    run.refresh_from_db()
    assert run.state == RunState.PAUSED
    woken: list[int] = []
    monkeypatch.setattr(wakeups, "wake", lambda run_id, *_: woken.append(run_id))

    pass_time(processor)

    run.refresh_from_db()
    assert run.state == RunState.RUNNING
    assert woken == [run.pk]


def test_whoever_resumes_first_ends_the_pause(processor: Processor) -> None:
    control.pause(processor.pk, act(), until=after(hours=1))

    control.resume(processor.pk, act())

    processor.refresh_from_db()
    assert processor.paused_until is None


def test_a_stop_outlasts_the_end_of_a_pause(processor: Processor) -> None:
    control.pause(processor.pk, act(), until=after(hours=1))
    control.stop(processor.pk, act())
    processor.refresh_from_db()
    assert processor.paused_until is None

    maintenance.tick()

    processor.refresh_from_db()
    assert processor.state == ProcessorState.STOPPED


def a_paused_run_of_a_stopped_processor(until: datetime | None) -> Processor:
    """Begun by hand: only the run is there to be paused."""
    processor = define("echo")
    fill_inbox(processor, numbered(3))
    control.run_once(processor.pk, act())
    control.pause(processor.pk, act(), until=until)
    return processor


def test_the_end_of_a_pause_is_forgotten_with_the_run_that_was_stopped() -> None:
    processor = a_paused_run_of_a_stopped_processor(after(hours=1))

    control.stop(processor.pk, act())

    processor.refresh_from_db()
    assert processor.paused_until is None


def test_a_pause_without_an_end_outlasts_the_end_of_the_one_before() -> None:
    processor = a_paused_run_of_a_stopped_processor(after(hours=1))
    Run.objects.update(state=RunState.RUNNING)  # went on, though nobody forgot the end

    control.pause(processor.pk, act())

    processor.refresh_from_db()
    assert processor.paused_until is None


def test_what_was_faulted_while_it_was_paused_stays_so_at_the_end(processor: Processor) -> None:
    control.pause(processor.pk, act(), until=after(hours=1))
    processor.refresh_from_db()
    processor.fault("It does harm.", act().at(database_now()))

    pass_time(processor)

    assert (processor.state, processor.next_due_at) == (ProcessorState.STOPPED, None)


def test_a_pause_can_be_given_another_end(processor: Processor) -> None:
    control.pause(processor.pk, act())
    later = after(hours=2)

    control.pause(processor.pk, act("longer"), until=later)

    processor.refresh_from_db()
    assert processor.paused_until == later


@pytest.mark.parametrize("length", [timedelta(seconds=-5), timedelta(days=400)])
def test_an_end_in_the_past_or_far_away_is_refused(processor: Processor, length: timedelta) -> None:
    with pytest.raises(Refused, match="lies ahead, at most a year"):
        control.pause(processor.pk, act(), until=database_now() + length)

    processor.refresh_from_db()
    assert processor.state == ProcessorState.STARTED
