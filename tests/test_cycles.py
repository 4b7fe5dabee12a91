"""Cycle after cycle: the pause between them, what begins them, and what keeps them going."""

import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from processors import control, maintenance, publish
from processors.clock import database_now
from processors.models import Event, Processor, Record, Run
from processors.protocol import arming, cycles, set_times
from processors.states import RunState
from tests.conftest import StartScheduler, StartWorker
from tests.factories import make_processor
from tests.handling.models import Effect
from tests.stories import act, define, fill_inbox, handled_keys, numbered, wait_for_effects
from tests.tables import Table
from tests.trials import Trial
from tests.waiting import wait_until

PAUSE = 1


def wait_until_handled(goods: Table, rows: int) -> None:
    wait_until(lambda: goods.statuses() == {"DONE": rows}, message=lambda: str(goods.statuses()))


def wait_until_idle() -> None:
    wait_until(lambda: not Run.objects.active().exists(), message="the run did not end")


def test_cycles_keep_their_pause_and_never_overlap(
    start_worker: StartWorker, start_scheduler: StartScheduler
) -> None:
    goods = Table()
    processor = define(
        "outside", goods.source(), trigger={"kind": "interval", "pause_seconds": PAUSE}
    )
    start_worker()
    start_scheduler()
    control.start(processor.pk, act())

    filled = 0
    while Run.objects.filter(state=RunState.FINISHED).count() < 3:
        filled += 1
        goods.fill([filled])
        wait_until_handled(goods, filled)
        time.sleep(0.1)  # else what comes again and again might keep the first cycle from its end
    control.stop(processor.pk, act())
    wait_until_idle()

    runs = list(Run.objects.order_by("seq"))
    assert [run.seq for run in runs] == list(range(1, len(runs) + 1))
    for before, after in pairwise(runs):
        assert after.started_at - before.ended_at >= timedelta(seconds=PAUSE)
    assert len(handled_keys()) == filled == len(set(handled_keys()))
    assert all(run.done for run in runs)  # looks that found nothing left no run
    goods.drop()


def test_an_empty_look_leaves_no_run_behind(transactional_db: None) -> None:
    processor = define("echo", trigger={"kind": "interval", "pause_seconds": 1})
    control.start(processor.pk, act())

    for _ in range(3):
        Processor.objects.update(next_due_at=database_now())
        maintenance.tick()

    assert not Run.objects.exists()
    processor.refresh_from_db()
    assert processor.next_due_at is not None
    assert processor.last_looked_at is not None


@pytest.mark.parametrize(("ahead", "kept"), [(2, True), (3600, False)])
def test_only_a_clock_that_went_back_changes_a_pause(
    transactional_db: None, *, ahead: int, kept: bool
) -> None:
    now = database_now()
    armed = now + timedelta(seconds=60 + ahead)  # by whom the clock of a moment later told
    processor = make_processor(
        state="started", trigger_kind="interval", pause_seconds=60,
        next_slot_at=armed, next_due_at=armed,
    )  # fmt: skip

    arming.rearm_after_clock_change(now)

    processor.refresh_from_db()
    assert processor.next_due_at == (armed if kept else now + timedelta(seconds=60))


def test_what_is_published_to_a_started_inbox_is_handled_at_once(
    start_worker: StartWorker,
) -> None:
    processor = define("effect", trigger={"kind": "arrival"})
    start_worker()
    control.start(processor.pk, act())

    for n in range(5):
        publish(processor.slug, [{"key": f"k{n}", "payload": {}}])
        wait_for_effects(n + 1)  # without any scheduler, without a tick of ours

    wait_until_idle()
    assert handled_keys() == [f"k{n}" for n in range(5)]


def test_a_record_published_for_later_is_handled_later(start_worker: StartWorker) -> None:
    processor = define("effect", trigger={"kind": "arrival"})
    start_worker()
    control.start(processor.pk, act())
    later = database_now() + timedelta(seconds=2)

    publish(processor.slug, [{"key": "k", "payload": {}, "available_at": later}])
    wait_for_effects(1)

    assert Record.objects.filter(settled_at__gt=later).exists()


def test_a_record_past_its_time_is_skipped(transactional_db: None) -> None:
    from tests.stories import run_here

    processor = define("effect")
    gone = database_now() - timedelta(seconds=1)
    publish(processor.slug, [{"key": "k", "payload": {}, "expires_at": gone}])

    run = run_here(processor)

    assert (run.skipped, run.done) == (1, 0)
    assert not Effect.objects.exists()


def test_idle_workers_keep_cycles_going_without_a_scheduler(start_worker: StartWorker) -> None:
    processor = define("effect", trigger={"kind": "interval", "pause_seconds": 1})
    start_worker(LEASE_SECONDS="4")
    control.start(processor.pk, act())
    fill_inbox(processor, numbered(3))
    wait_for_effects(3)

    publish(processor.slug, [{"key": "late", "payload": {}}])

    wait_for_effects(4)
    assert len(set(handled_keys())) == 4


@pytest.mark.fault("F48", "five schedulers at once")
def test_several_schedulers_begin_no_cycle_twice(
    start_worker: StartWorker, start_scheduler: StartScheduler, trial: Trial
) -> None:
    processor = define("effect", trigger={"kind": "interval", "pause_seconds": 1})
    start_worker()
    for _ in range(5):
        start_scheduler()
    trial.strike()
    control.start(processor.pk, act())

    for n in range(3):
        publish(processor.slug, [{"key": f"k{n}", "payload": {}}])
        wait_for_effects(n + 1)
    wait_until_idle()

    assert [run.seq for run in Run.objects.order_by("seq")] == [1, 2, 3]
    assert len(handled_keys()) == 3


def test_a_cron_runs_at_its_set_time_and_notes_those_it_missed(transactional_db: None) -> None:
    cron = {"kind": "cron", "cron": "* * * * *", "time_zone": "UTC"}
    processor = define("echo", trigger=cron)
    fill_inbox(processor, numbered(1))
    control.start(processor.pk, act())
    processor.refresh_from_db()
    assert processor.next_due_at is not None
    assert processor.next_due_at.second == 0
    ago = processor.next_due_at - timedelta(minutes=10)
    Processor.objects.update(next_due_at=ago, next_slot_at=ago)

    run = cycles.begin_due(processor.pk)

    assert run is not None
    assert run.slot == ago
    assert "set time" in run.reason


@pytest.mark.parametrize(("seconds", "missed"), [(0, 0), (59, 0), (60, 2), (119, 2), (630, 11)])
def test_a_set_time_is_missed_once_it_could_not_be_kept_for_a_minute(
    seconds: int, missed: int
) -> None:
    every_minute = Processor(cron="* * * * *", time_zone="UTC")
    slot = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)

    assert set_times.missed_times(every_minute, slot, slot + timedelta(seconds=seconds)) == missed


def test_a_set_time_that_passes_while_a_run_goes_on_is_told_of_and_not_kept(
    transactional_db: None,
) -> None:
    from processors import cycle

    cron = {"kind": "cron", "cron": "* * * * *", "time_zone": "UTC"}
    processor = define("echo", trigger=cron)
    control.start(processor.pk, act())
    fill_inbox(processor, numbered(1))
    run = control.run_once(processor.pk, act())
    before = database_now()
    ago = before - timedelta(seconds=70)
    Run.objects.update(started_at=ago)
    Processor.objects.update(next_slot_at=ago + timedelta(seconds=60))

    cycle.work(run.pk)

    processor.refresh_from_db()
    assert processor.next_slot_at is not None
    assert processor.next_slot_at > before
    told = Event.objects.get(action="skip").reason
    assert "passed while run 1 was going on" in told


def test_missed_times_may_be_skipped_instead(transactional_db: None) -> None:
    cron = {"kind": "cron", "cron": "* * * * *", "time_zone": "UTC", "misfire": "skip"}
    processor = define("echo", trigger=cron)
    fill_inbox(processor, numbered(1))
    control.start(processor.pk, act())
    before = database_now()
    ago = before - timedelta(minutes=10)
    Processor.objects.update(next_due_at=ago, next_slot_at=ago)

    assert cycles.begin_due(processor.pk) is None

    assert Event.objects.filter(action="skip").exists()
    processor.refresh_from_db()
    assert processor.next_slot_at is not None
    assert processor.next_slot_at > before


def test_a_run_takes_at_most_as_many_records_as_a_cycle_may(transactional_db: None) -> None:
    from tests.stories import run_here

    processor = define("echo", records_per_cycle=7, batch_size=5)
    fill_inbox(processor, numbered(20))

    run = run_here(processor)

    assert run.state == RunState.FINISHED
    assert run.claimed == 7


def test_what_arrives_during_a_cycle_belongs_to_the_next(transactional_db: None) -> None:
    from processors import cycle

    processor = define("echo")
    fill_inbox(processor, numbered(5))
    run = control.run_once(processor.pk, act())
    publish(processor.slug, [{"key": "late", "payload": {}}])

    cycle.work(run.pk)

    run.refresh_from_db()
    assert run.done == 5
    assert Record.objects.get(key="late").state == "ready"


def test_a_run_that_only_retries_takes_nothing_new(transactional_db: None) -> None:
    from processors import cycle

    processor = define("third_time")
    control.start(processor.pk, act())
    fill_inbox(processor, {"tried": {}})
    Record.objects.update(attempts=1, maybe_seen=True)
    fill_inbox(processor, {"new": {}})
    Processor.objects.update(next_due_at=database_now(), next_slot_at=None)

    run = cycles.begin_due(processor.pk)
    assert run is not None
    cycle.work(run.pk)

    assert run.trigger == "retry"
    assert Record.objects.get(key="new").attempts == 0
    assert Record.objects.get(key="tried").state == "done"


def test_a_set_time_that_passes_during_a_run_that_only_retries_is_kept(
    transactional_db: None,
) -> None:
    from processors import cycle

    cron = {"kind": "cron", "cron": "0 3 29 2 *", "time_zone": "UTC"}  # years away, mostly
    processor = define("echo", trigger=cron)
    control.start(processor.pk, act())
    fill_inbox(processor, {"tried": {}})
    Record.objects.update(attempts=1, maybe_seen=True)
    fill_inbox(processor, {"new": {}})
    Processor.objects.update(next_due_at=database_now())
    retrying = cycles.begin_due(processor.pk)
    assert retrying is not None
    slot = database_now()
    Processor.objects.update(next_slot_at=slot)

    cycle.work(retrying.pk)

    run = cycles.begin_due(processor.pk)
    assert run is not None
    assert (retrying.trigger, run.trigger, run.slot) == ("retry", "schedule", slot)
    assert not Event.objects.filter(action="skip").exists()
