"""Operators who click at once, and Stop in the middle of everything."""

import random
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connections

from processors import control, maintenance
from processors.acts import Refused
from processors.models import Batch, Processor, Record, Run
from processors.states import RecordState, RunState
from tests.faults.crew import Crew
from tests.faults.places import press_start_again
from tests.stories import act, define, fill_inbox, handled_keys, numbered
from tests.trials import Trial
from tests.waiting import wait_until

RECORDS = 50
CLICKS = 30
VERBS = (control.start, control.stop, control.pause, control.resume)


@pytest.mark.fault("F63", "four operators press Start, Stop, Pause and Resume at once")
def test_hammered_buttons_leave_one_line_for_every_click_that_counted(trial: Trial) -> None:
    processor = define("effect", options={"seconds": 0.01}, batch_size=5, parallelism=2)
    fill_inbox(processor, numbered(RECORDS))

    trial.strike()
    with Crew() as crew:
        with ThreadPoolExecutor(4) as operators:
            clicked = list(operators.map(lambda n: hammer(processor, n), range(4)))
        told = LogEntry.objects.count()
        press_start_again()
        crew.bring_through()

    assert told == sum(clicked)
    assert handled_keys() == sorted(numbered(RECORDS))


def hammer(processor: Processor, seed: int) -> int:
    """Clicks of one person; how many were not refused."""
    rng, counted = random.Random(seed), 0
    try:
        for _ in range(CLICKS):
            try:
                rng.choice(VERBS)(processor.pk, act(f"click of {seed}"))
                counted += 1
            except Refused:
                continue
    finally:
        connections.close_all()
    return counted


@pytest.mark.fault("F65", "Stop while workers claim, close and end")
def test_nothing_opens_after_stop_whatever_goes_on(trial: Trial) -> None:
    processor = define("rest", options={"seconds": 0.05}, batch_size=1, parallelism=3)
    fill_inbox(processor, numbered(RECORDS))

    with Crew(3) as crew:
        trial.strike()
        for turn in count(1):
            control.start(processor.pk, act())
            wait_until(lambda: Batch.objects.filter(run=newest()).exists() or nothing_waits())
            control.stop(processor.pk, act())
            wait_until(has_stopped, message="the run did not end")
            # Else Stop came too late each time, for all were through before: once more.
            if turn >= 8 and Run.objects.filter(state=RunState.STOPPED).exists():
                break
            if nothing_waits():
                fill_inbox(processor, numbered(RECORDS * (turn + 1)))
        control.start(processor.pk, act())
        crew.bring_through()

    assert Record.objects.count() >= RECORDS
    assert set(Record.objects.values_list("state", flat=True)) == {RecordState.DONE}


def newest() -> Run:
    run: Run = Run.objects.order_by("-pk")[0]
    return run


def nothing_waits() -> bool:
    return not Record.objects.filter(state=RecordState.READY).exists()


def has_stopped() -> bool:
    maintenance.tick()
    return not Run.objects.active().exists()


@pytest.mark.fault("F71", "records arrive all the time during a run")
def test_a_run_ends_although_records_go_on_arriving(trial: Trial) -> None:
    processor = define("effect", batch_size=5, options={"seconds": 0.005})
    fill_inbox(processor, numbered(RECORDS))
    run = control.run_once(processor.pk, act())

    trial.strike()
    with Crew(1) as crew:
        late = 0
        while not Run.objects.get(pk=run.pk).has_ended:
            fill_inbox(processor, {f"late-{late:05}": {}})
            late += 1
        assert Run.objects.get(pk=run.pk).done == RECORDS
        crew.bring_through()

    assert len(handled_keys()) == RECORDS + late
