"""Handlers that harm their worker: the record pays, nobody else does."""

import signal
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection

from processors import control
from processors.cycle.commits import Commits, Stretch
from processors.cycle.stretches import own_copy
from processors.handlers import Context, Handler, registry
from processors.handlers import Record as Given
from processors.models import Attempt, Record
from processors.protocol.leases import Lease
from processors.states import RecordState
from tests.conftest import StartWorker
from tests.handling.models import Effect
from tests.lost_answers import LOST
from tests.stories import (
    LATER,
    act,
    counters,
    define,
    fill_inbox,
    numbered,
    run_here,
    wait_for_end,
)

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "shop"]),
    pytest.mark.usefixtures("clean_ledger"),
]
postgres_only = pytest.mark.skipif(connection.vendor != "postgresql", reason="Postgres's SQL")
GOOD = numbered(10)


def states() -> dict[str, str]:
    """By key, without those that are done."""
    rows = Record.objects.exclude(state=RecordState.DONE)
    return dict(rows.values_list("key", "state"))


# Hangs


@pytest.mark.slow
@pytest.mark.parametrize("way", ["hang on", "hang in C"])
def test_a_record_is_ended_at_its_time_limit_whatever_its_handler_does(
    start_worker: StartWorker, way: str
) -> None:
    processor = define("deadly", record_timeout_seconds=1)
    fill_inbox(processor, {"bad": {"die": way}} | GOOD)
    worker = start_worker()

    run = control.run_once(processor.pk, act())
    first = Attempt.objects.filter(record__key="bad")
    wait_for_end(run)

    assert Record.objects.filter(state=RecordState.DONE).count() == len(GOOD)
    assert {attempt.outcome for attempt in first} == {"crashed"}
    assert worker.is_running()


# Memory


@pytest.mark.slow
def test_a_record_that_eats_all_memory_is_dead_and_its_worker_goes_on(
    start_worker: StartWorker,
) -> None:
    processor = define("deadly")
    fill_inbox(processor, {"bad": {"die": "eat"}} | GOOD)
    worker = start_worker()

    run = wait_for_end(control.run_once(processor.pk, act()))

    assert Record.objects.get(key="bad").last_error == "out of memory"
    assert counters(run) == {"claimed": 11, "done": 10, "dead": 1}
    assert worker.is_running()


# Forks


@pytest.mark.slow
@pytest.mark.parametrize("how", ["fork and return", "fork and live"])
def test_a_fork_does_not_become_a_second_worker(start_worker: StartWorker, how: str) -> None:
    processor = define("rude", batch_size=5)
    fill_inbox(processor, {"bad": {"how": how}} | GOOD)
    start_worker()

    run = wait_for_end(control.run_once(processor.pk, act()))

    assert counters(run) == {"claimed": 11, "done": 11}
    keys = list(Effect.objects.values_list("key", flat=True))
    assert sorted(keys) == sorted([*GOOD, "bad"])


# Exits and state


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("how", ["exit", "exit in a thread"])
def test_sys_exit_ends_a_record_and_not_its_worker(how: str) -> None:
    processor = define("rude", backoff=LATER)
    fill_inbox(processor, {"bad": {"how": how}} | GOOD)

    run = run_here(processor)

    failed = {"retried": 1} if how == "exit" else {}
    assert counters(run) == {"claimed": 11, "done": 11 - len(failed)} | failed


def test_what_a_handler_changes_of_its_process_is_put_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("processors.cycle.manners.LOOK_SECONDS", 0.0)
    before = (Path.cwd(), signal.getsignal(signal.SIGTERM))
    processor = define("rude")
    fill_inbox(processor, {how: {"how": how} for how in ("signals", "directory", "locale")})

    run = run_here(processor)

    assert counters(run) == {"claimed": 3, "done": 3}
    assert (Path.cwd(), signal.getsignal(signal.SIGTERM)) == before


def test_a_release_that_was_deleted_under_its_worker_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processors.cycle.manners.LOOK_SECONDS", 0.0)
    release = tmp_path / "release"
    release.mkdir()
    monkeypatch.chdir(release)
    release.rmdir()
    processor = define("rude")
    fill_inbox(processor, {how: {"how": how} for how in ("signals", "directory", "locale")})

    run = run_here(processor)

    assert counters(run) == {"claimed": 3, "done": 3}


def test_a_handler_that_deletes_its_own_record_harms_no_other() -> None:
    processor = define("disowning")
    fill_inbox(processor, {"bad": {"mine": True}} | GOOD)

    run = run_here(processor)

    assert counters(run) == {"claimed": 11, "done": 10, "dead": 1}
    assert states() == {"bad": "dead"}
    assert not Effect.objects.exists()


def test_a_handler_that_changed_its_payload_finds_it_as_it_was_when_it_is_begun_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def add_tax(record: Given, context: Context) -> None:
        record.payload["lines"][0]["price"] *= 2
        Effect.objects.create(key=record.payload["lines"][0]["price"], run=0, pid=0, begun_at=0)

    inside, errors = Commits.inside, iter([OperationalError(LOST)])

    def fail_once(commits: Commits, lease: Lease, stretch: Stretch) -> None:
        for error in errors:
            raise error
        inside(commits, lease, stretch)

    monkeypatch.setattr(Commits, "inside", fail_once)
    registry.add(Handler("handling.add_tax", "Add tax", add_tax, "database", None))
    processor = define("add_tax")
    fill_inbox(processor, {"a": {"lines": [{"price": 100}]}})

    run = run_here(processor)
    del registry._handlers["handling.add_tax"]

    assert counters(run) == {"claimed": 1, "done": 1}
    assert Effect.objects.get().key == "200"


def test_a_payload_of_its_own_holds_what_cannot_be_copied() -> None:
    blob = memoryview(b"of a column of bytes")
    payload = {"blob": blob, "lines": [{"n": 1}]}

    own = own_copy(payload)
    own["lines"][0]["n"] = 2

    assert own["blob"] is blob
    assert payload["lines"] == [{"n": 1}]


def test_a_payload_is_copied_however_deep_it_is() -> None:
    payload: dict[str, Any] = {}
    for _ in range(5_000):
        payload = {"inside": [payload]}

    own = own_copy(payload)
    own["inside"][0]["inside"] = None

    assert payload["inside"][0]["inside"] is not None


def test_ten_thousand_lines_are_cut(capfd: pytest.CaptureFixture[str]) -> None:
    processor = define("talk")
    fill_inbox(processor, {"chatty": {}})

    run = run_here(processor)

    assert counters(run) == {"claimed": 1, "done": 1}
    assert len(Attempt.objects.get().log) == 201
    assert capfd.readouterr().out.count("\n") == 10_000


def test_what_is_no_json_is_the_records_failure() -> None:
    processor = define("unjson")
    fill_inbox(processor, {"bad": {}})

    run = run_here(processor)

    assert counters(run) == {"claimed": 1, "dead": 1}
    assert "not JSON" in Record.objects.get().last_error


# Trouble with our own database


def trouble(directory: Path, times: int, sql: str) -> dict[str, object]:
    """A record that meets trouble so many times."""
    return {"trouble": times, "sql": sql, "counted_in": str(directory / "times")}


LOCKED = "DO $$ BEGIN RAISE EXCEPTION 'locked' USING ERRCODE = 'lock_not_available'; END $$"
DEADLOCK = "DO $$ BEGIN RAISE EXCEPTION 'dead' USING ERRCODE = 'deadlock_detected'; END $$"
TERMINATED = "SELECT pg_terminate_backend(pg_backend_pid())"


@postgres_only
@pytest.mark.parametrize("sql", [LOCKED, DEADLOCK, TERMINATED])
def test_trouble_that_passes_is_waited_out_in_place(tmp_path: Path, sql: str) -> None:
    processor = define("troubled")
    fill_inbox(processor, {"a": trouble(tmp_path, 3, sql)})

    run = run_here(processor)

    assert counters(run) == {"claimed": 1, "done": 1}
    assert not Attempt.objects.exists()


@postgres_only
@pytest.mark.parametrize("handler", ["troubled", "troubled_outside"])
def test_trouble_that_stays_puts_the_record_off_for_free(tmp_path: Path, handler: str) -> None:
    processor = define(handler)
    fill_inbox(processor, {"a": trouble(tmp_path, 1000, LOCKED)})

    run = run_here(processor)

    assert counters(run) == {"claimed": 1, "retried": 1}
    record, attempt = Record.objects.get(), Attempt.objects.get()
    assert (record.state, record.attempts) == (RecordState.READY, 0)
    assert attempt.error_type == "NotNow"
    assert "locked" in attempt.message


@postgres_only
def test_trouble_that_always_comes_back_costs_attempts_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processors.cycle.commits.MOST_NOT_NOW", 2)
    monkeypatch.setattr("processors.cycle.treatment.NOT_NOW_SECONDS", 0.0)
    processor = define("troubled_outside", max_attempts=2)
    fill_inbox(processor, {"a": trouble(tmp_path, 1000, LOCKED)})

    run_here(processor)

    assert Record.objects.get().state == RecordState.DEAD
    assert Attempt.objects.count() == 6


@postgres_only
def test_a_mistake_in_sql_is_the_handlers_own(tmp_path: Path) -> None:
    processor = define("troubled", max_attempts=1)
    fill_inbox(processor, {"a": trouble(tmp_path, 1000, "SELECT nonsense")})

    run = run_here(processor)

    assert counters(run) == {"claimed": 1, "dead": 1}
