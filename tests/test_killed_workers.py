"""Workers die in every way a process can; every record still ends exactly once."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from processors import control
from processors.models import Attempt, Batch, Record
from processors.states import CloseReason, RecordState, RunState
from tests.conftest import StartWorker
from tests.faults.crew import make_due
from tests.handling.models import Effect
from tests.servers import is_alive
from tests.stories import (
    act,
    begin_run,
    counters,
    define,
    fill_inbox,
    handled_keys,
    numbered,
    wait_for_effects,
    wait_for_end,
    wait_for_reaping,
)
from tests.trials import Trial
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("short_lease", "clean_ledger")
RECORDS = 40


@pytest.mark.parametrize(
    "victims",
    [
        pytest.param("child", marks=pytest.mark.fault("F1", "kill -9 of a worker's child")),
        pytest.param("parent", marks=pytest.mark.fault("F2", "kill -9 of a worker alone")),
        pytest.param("both", marks=pytest.mark.fault("F3", "kill -9 of a worker and its child")),
    ],
)
def test_kill_9_in_mid_run_loses_and_doubles_nothing(
    start_worker: StartWorker, victims: str, trial: Trial, tmp_path: Path
) -> None:
    doomed = start_worker(LEASE_SECONDS="2")  # which runs out where its parent cannot tell
    struck = tmp_path / "struck"
    slow = {"seconds": 0.25, "until": str(struck)}  # that the run goes on when they are killed
    run = begin_run("slow_effect", RECORDS, options=slow, batch_size=10, parallelism=2)
    horse = doomed.wait_for_horse()
    wait_until(Effect.objects.exists, message="nothing was handled")

    trial.strike()
    if victims in ("child", "both"):
        os.kill(horse, signal.SIGKILL)
    if victims in ("parent", "both"):
        doomed.kill()
    struck.touch()
    start_worker()
    wait_for_end(run)

    assert handled_keys() == sorted(numbered(RECORDS))
    assert Record.objects.filter(state=RecordState.DONE).count() == RECORDS
    assert not Batch.objects.leased().exists()
    wait_until(lambda: not is_alive(horse), message="the child outlived its parent")


def test_a_crash_is_told_of_with_the_records_that_were_in_hand(
    start_worker: StartWorker, settings: Any
) -> None:
    # So long a lease that only its parent can have told, however busy the machine.
    settings.LEASE_SECONDS = 60
    worker = start_worker(LEASE_SECONDS="60")
    run = begin_run("holding", 5, batch_size=10)
    wait_for_effects(1)

    os.kill(worker.wait_for_horse(), signal.SIGKILL)
    wait_for_end(run)

    crashed = Attempt.objects.get(outcome="crashed")
    assert "ended while this record was in hand" in crashed.message
    assert Batch.objects.filter(close_reason=CloseReason.REAPED).count() == 1
    assert counters(run)["done"] == 5


def test_an_unrepeatable_record_in_hand_is_parked_for_a_person(start_worker: StartWorker) -> None:
    worker = start_worker()
    run = begin_run("holding_unrepeatable", 3, batch_size=10)
    wait_for_effects(1)

    os.kill(worker.wait_for_horse(), signal.SIGKILL)
    wait_for_end(run)

    assert counters(run)["parked"] == 1
    assert counters(run)["done"] == 2
    assert handled_keys() == sorted(numbered(3))  # none of them twice
    assert "find out" in Record.objects.get(state=RecordState.PARKED).last_error


@pytest.mark.skipif(
    connection.vendor == "sqlite",
    reason="SQLite has one writer: a process stopped inside a transaction stalls everybody",
)
@pytest.mark.fault("F4", "SIGSTOP of a worker's child until its batch is taken over")
def test_a_worker_that_sleeps_past_its_lease_can_write_nothing(
    start_worker: StartWorker, trial: Trial, tmp_path: Path
) -> None:
    sleeper, struck = start_worker(), tmp_path / "struck"
    slow = {"seconds": 2.0, "until": str(struck)}
    run = begin_run("slow_effect", 10, options=slow, batch_size=5, parallelism=2)
    horse = sleeper.wait_for_horse()
    wait_until(Effect.objects.exists, message="nothing was handled")
    trial.strike()
    os.kill(horse, signal.SIGSTOP)
    struck.touch()
    start_worker()
    wait_for_reaping()

    os.kill(horse, signal.SIGCONT)
    wait_for_end(run)

    assert handled_keys() == sorted(numbered(10))


@pytest.mark.fault("F6", "SIGTERM to a worker in mid-run")
def test_sigterm_lets_the_record_in_hand_finish_and_gives_back_the_rest(
    start_worker: StartWorker, trial: Trial
) -> None:
    worker = start_worker()
    run = begin_run("holding", 10, options={"since": 1}, batch_size=10)
    wait_for_effects(2)

    trial.strike()
    worker.send(signal.SIGTERM)
    assert worker.wait() == 0

    assert Effect.objects.count() == 2
    assert not Attempt.objects.exists()
    assert Record.objects.filter(state=RecordState.READY).count() == 8
    start_worker()
    wait_for_end(run)
    assert handled_keys() == sorted(numbered(10))


DEATHS = {
    "kill": ("F17", "one record of many kills its process"),
    "exit": ("F11", "a handler calls os._exit"),
    "segfault": ("F10", "a handler makes its process crash"),
    "hang": ("F12", "a handler hangs and swallows exceptions"),
    "memory": ("F9", "a handler runs out of memory"),
}


@pytest.mark.parametrize(
    "way", [pytest.param(way, marks=pytest.mark.fault(*fault)) for way, fault in DEATHS.items()]
)
def test_one_deadly_record_ends_dead_and_no_other_suffers(
    start_worker: StartWorker, way: str, trial: Trial
) -> None:
    processor = define("deadly", batch_size=50, record_timeout_seconds=1)
    fill_inbox(processor, numbered(30) | {"poison": {"die": way}})
    worker = start_worker()

    trial.strike()
    for _ in range(4):
        if Record.objects.filter(key="poison", state=RecordState.DEAD).exists():
            break
        make_due()
        wait_for_end(control.run_once(processor.pk, act()))

    poison = Record.objects.get(key="poison")
    assert poison.state == RecordState.DEAD
    assert poison.crashes <= 3
    assert Record.objects.filter(state=RecordState.DONE).count() == 30
    assert Effect.objects.filter(key="poison").count() <= 3
    assert worker.is_running()


def test_a_deploy_that_kills_every_worker_costs_five_records(start_worker: StartWorker) -> None:
    processor = define("deadly", batch_size=50)
    fill_inbox(processor, {key: {"die": "abort"} for key in numbered(RECORDS)})
    worker = start_worker()

    run = wait_for_end(control.run_once(processor.pk, act()), ticking=False)
    processor.refresh_from_db()

    assert run.state == RunState.FAILED
    assert "5 records in a row ended their worker's process" in processor.fault_reason
    assert Record.objects.filter(crashes=1).count() == 5
    assert Record.objects.filter(state=RecordState.READY).count() == RECORDS
    assert worker.is_running()
