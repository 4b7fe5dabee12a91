"""`tick`, `prune`, `check_ledger`, and the manners all commands share."""

import signal
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import load_command_class
from django.db import OperationalError, ProgrammingError
from django.utils.timezone import now

from processors.management.terminal import (
    database_sentence,
    ended_at_once_by_the_second_ctrl_c,
    told_in_one_line,
)
from processors.models import Installation, Record, Run
from tests.conftest import Manage
from tests.factories import make_batch, make_processor, make_record, make_run
from tests.management.conftest import Call, CallJson, Refuse
from tests.servers import ROOT
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.django_db

OURS = ("processor", "publish", "tick", "check_ledger", "prune", "doctor")


@pytest.mark.parametrize("name", OURS)
def test_every_command_has_help(name: str) -> None:
    command = load_command_class("processors", name)

    assert command.help
    assert "--help" in command.create_parser("manage.py", name).format_help()


# Tick


@pytest.mark.django_db(transaction=True)
def test_a_tick_begins_what_is_due_and_ends_what_is_done(call_json: CallJson) -> None:
    ago = now() - timedelta(seconds=1)
    due = make_processor(state="started", next_due_at=ago, next_slot_at=ago)
    make_record(due)
    make_run(make_processor())

    ticked = call_json("tick")

    assert (ticked["begun"], ticked["ended"]) == (1, 1)


@pytest.mark.slow
def test_a_ticking_loop_is_seen_as_a_scheduler_and_leaves_when_told(
    environment: dict[str, str],
) -> None:
    process = subprocess.Popen(
        [sys.executable, "manage.py", "tick", "--loop", "--seconds", "0.1"],
        cwd=ROOT,
        env=environment,
    )

    wait_until(lambda: "(tick)" in Installation.this().scheduler_name)
    process.send_signal(signal.SIGTERM)

    assert process.wait(PATIENCE_SECONDS) == 0


# Prune


def old_history() -> None:
    processor = make_processor()
    long_ago = now() - timedelta(days=100)
    run = make_run(processor, state="finished", done=1, started_at=long_ago)
    make_batch(run, state="closed", done=1, opened_at=long_ago)
    make_run(processor, state="finished", done=1)
    make_record(processor, state="done", settled_at=long_ago)
    make_record(processor, state="dead", settled_at=long_ago)


def test_a_dry_run_of_prune_removes_nothing(call: Call) -> None:
    old_history()

    said = call("prune", "--dry-run")

    assert said.startswith("Would remove")
    assert "1 runs" in said
    assert Run.objects.count() == 2


def test_prune_keeps_what_needs_a_person(call_json: CallJson) -> None:
    old_history()

    removed = call_json("prune")

    assert (removed["runs"], removed["batches"], removed["records"]) == (1, 1, 1)
    assert Record.objects.get().state == "dead"


def test_prune_keeps_for_as_long_as_told(call_json: CallJson) -> None:
    old_history()

    removed = call_json("prune", "--runs-days", "365", "--records-days", "365")

    assert not any(removed[name] for name in ("runs", "batches", "records"))


@pytest.mark.parametrize("days", ["0", "-1", "1.5", "many"])
def test_days_that_are_no_days_are_refused(refuse: Refuse, days: str) -> None:
    assert "from 1 to 36500" in refuse("prune", f"--runs-days={days}", code=1)


# Check


def test_a_sound_ledger_is_said_to_be_in_order(call: Call, call_json: CallJson) -> None:
    make_run(state="finished")

    assert call("check_ledger", "--at-rest", "--all").startswith("The ledger is in order")
    assert call_json("check_ledger")["broken"] == []


def test_a_broken_ledger_is_an_error_with_a_list(call: Call, refuse: Refuse) -> None:
    make_processor("orders", last_seq=3)

    assert refuse("check_ledger") == "The ledger is broken in 1 place."


def test_a_broken_ledger_names_the_row_from_a_shell(manage: Manage) -> None:
    make_processor("orders", last_seq=3)

    ended = manage("check_ledger")

    assert ended.returncode == 1
    assert ended.stdout.startswith("I6 processor orders: ")


# Manners


def test_ctrl_c_ends_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    said: list[str] = []

    with pytest.raises(SystemExit) as ended, told_in_one_line(said.append):
        raise KeyboardInterrupt

    assert (ended.value.code, said) == (130, ["Interrupted."])


def test_a_second_ctrl_c_is_not_told_by_a_trace_of_what_the_first_one_ended() -> None:
    usual = signal.getsignal(signal.SIGINT)

    try:
        with pytest.raises(KeyboardInterrupt), ended_at_once_by_the_second_ctrl_c():
            signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGINT, usual)

    with ended_at_once_by_the_second_ctrl_c():
        pass
    assert signal.getsignal(signal.SIGINT) is usual


def test_a_reader_that_went_away_is_no_trouble(environment: dict[str, str]) -> None:
    for _ in range(30):
        make_processor()
    read, write = subprocess.PIPE, subprocess.PIPE
    process = subprocess.Popen(
        [sys.executable, "manage.py", "processor", "dump"],
        cwd=ROOT,
        env=environment,
        stdout=read,
        stderr=write,
    )
    assert process.stdout is not None
    process.stdout.close()

    _, errors = process.communicate(timeout=60)

    assert (process.returncode, errors) == (141, b"")


def test_trouble_with_the_database_tells_no_address() -> None:
    away = OperationalError('connection to server at "10.0.0.7", port 5432 failed: refused')

    assert "10.0.0.7" not in database_sentence(away)
    assert "Check DATABASE_URL" in database_sentence(away)


def test_missing_tables_are_told_apart() -> None:
    for error in (
        OperationalError("no such table: processors_run"),
        ProgrammingError('relation "processors_run" does not exist'),
    ):
        assert "manage.py migrate" in database_sentence(error)


def test_a_full_disk_is_not_told_as_a_wrong_address(tmp_path: Path) -> None:
    file = sqlite3.connect(tmp_path / "small.sqlite3")
    file.execute("CREATE TABLE t (x)")
    file.execute("PRAGMA max_page_count = 2")
    with pytest.raises(sqlite3.OperationalError) as full:
        file.execute("INSERT INTO t VALUES (?)", ["x" * 10_000])
    file.close()
    error = OperationalError(str(full.value))
    error.__cause__ = full.value

    said = database_sentence(error)

    assert said == "The database's disk is full: make room on it, then try again."
