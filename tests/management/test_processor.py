"""`manage.py processor`: definitions, state and verbs."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.utils.timezone import now

from processors.management.commands.processor import parse_time
from processors.models import Batch, Event, Processor, Record, Run
from tests.conftest import Manage, StartWorker
from tests.factories import (
    make_attempt,
    make_batch,
    make_claimed,
    make_processor,
    make_record,
    make_run,
    make_table_source,
)
from tests.management.conftest import Call, CallJson, Refuse

pytestmark = pytest.mark.django_db(databases=["default", "shop"])

ORDERS = {"slug": "orders", "handler": "demo.price_order", "source": {"kind": "inbox"}}
RUN_FIELDS = {
    *("id", "seq", "state", "trigger", "started_at", "ended_at"),
    *("claimed", "done", "skipped", "retried", "dead", "parked", "crashed", "released"),
}


def a_file(directory: Path, content: Any) -> str:
    file = directory / "definitions.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(file)


# Load


def test_a_definition_becomes_a_stopped_processor(call: Call, tmp_path: Path) -> None:
    said = call("processor", "load", a_file(tmp_path, ORDERS))

    assert said == "orders: created"
    assert Processor.objects.get().state == "stopped"


def test_the_same_definition_again_changes_nothing(call: Call, tmp_path: Path) -> None:
    file = a_file(tmp_path, ORDERS)
    call("processor", "load", file)

    assert call("processor", "load", file) == "orders: unchanged"
    assert Processor.objects.get().version == 0
    assert Event.objects.filter(action="load").count() == 1


def test_a_changed_definition_names_what_changed(call: Call, tmp_path: Path) -> None:
    call("processor", "load", a_file(tmp_path, ORDERS))

    said = call("processor", "load", a_file(tmp_path, {**ORDERS, "parallelism": 7}))

    assert said == "orders: changed (parallelism)"
    processor = Processor.objects.get()
    assert (processor.parallelism, processor.version) == (7, 1)


def test_loading_is_written_down_with_its_reason(call: Call, tmp_path: Path) -> None:
    call("processor", "load", a_file(tmp_path, ORDERS), "--reason", "release 3")

    event = Event.objects.get(action="load")
    assert event.actor.startswith("command-line")
    assert "release 3" in event.reason
    assert LogEntry.objects.count() == 1


def test_limits_are_shown_and_changed_one_by_one(call: Call, call_json: CallJson) -> None:
    make_processor("orders", batch_size=500, rate_limits=["9/s"])

    said = call("processor", "limits", "orders", "--batch-size", "50", "--reason", "slow")

    assert said == "batch size: 500 → 50"
    limits = call_json("processor", "limits", "orders")
    assert (limits["batch_size"], limits["rate_limits"]) == (50, ["9/s"])
    assert Event.objects.get(action="limits").reason == "batch size: 500 → 50: slow"
    call("processor", "limits", "orders", "--rate-limits")
    assert "rate_limits: []" in call("processor", "limits", "orders")


def test_a_bad_limit_is_refused_in_a_sentence(refuse: Refuse) -> None:
    make_processor("orders", trigger_kind="manual")

    assert "whole number from 1 to 1000" in refuse(
        "processor", "limits", "orders", "--batch-size", "0"
    )
    assert "no pause" in refuse("processor", "limits", "orders", "--pause-seconds", "5")


def test_one_bad_definition_of_a_list_loads_none(refuse: Refuse, tmp_path: Path) -> None:
    bad = {**ORDERS, "slug": "other", "handler": "os.system"}

    said = refuse("processor", "load", a_file(tmp_path, [ORDERS, bad]))

    assert "other: handler: Unknown handler 'os.system'" in said
    assert said.endswith("Nothing was loaded.")
    assert not Processor.objects.exists()


def test_a_new_pause_of_a_started_processor_counts_from_now(call: Call, tmp_path: Path) -> None:
    columns = {"trigger_kind": "interval", "state": "started"}
    make_processor("orders", next_due_at=now() + timedelta(days=9), **columns)
    trigger = {"kind": "interval", "pause_seconds": 60}

    call("processor", "load", a_file(tmp_path, {**ORDERS, "trigger": trigger, "queue": "low"}))
    call("processor", "load", a_file(tmp_path, {**ORDERS, "trigger": {"kind": "arrival"}}))

    due = Processor.objects.get().next_due_at
    assert due is not None
    assert due < now() + timedelta(minutes=1)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ('{"slug": "orders",}', "line 1, column 19"),
        ('{"slug": "a", "slug": "b"}', "'slug' is given twice"),
        ('{"options": {"x": NaN}}', "NaN is not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[1]", "A definition is an object"),
        ('{"handler": "demo.price_order"}', "Give a slug"),
    ],
)
def test_a_broken_file_is_refused_with_its_place(
    refuse: Refuse, tmp_path: Path, content: str, sentence: str
) -> None:
    said = refuse("processor", "load", a_file(tmp_path, content))

    assert sentence in said
    assert "Nothing was loaded." in said


def test_a_missing_file_is_named(refuse: Refuse) -> None:
    assert (
        refuse("processor", "load", "no.json") == "Can't read no.json: No such file or directory."
    )


# Dump


def test_one_slug_is_dumped_as_an_object(call: Call) -> None:
    make_processor("orders")

    assert json.loads(call("processor", "dump", "orders"))["slug"] == "orders"


@pytest.mark.parametrize(("slugs", "dumped"), [([], ["a", "b", "c"]), (["c", "a"], ["c", "a"])])
def test_none_or_several_slugs_are_dumped_as_a_list(
    call: Call, slugs: list[str], dumped: list[str]
) -> None:
    for slug in "abc":
        make_processor(slug)

    assert [each["slug"] for each in json.loads(call("processor", "dump", *slugs))] == dumped


def test_what_is_dumped_loads_as_unchanged(call: Call, tmp_path: Path) -> None:
    make_processor("orders")
    make_processor("rows", source=make_table_source(2), trigger_kind="interval")
    call("processor", "load", a_file(tmp_path, call("processor", "dump")))  # fills the source

    said = call("processor", "load", a_file(tmp_path, call("processor", "dump")))

    assert said == "orders: unchanged\nrows: unchanged"


# List and show


def test_an_unknown_slug_names_the_one_that_was_meant(refuse: Refuse) -> None:
    make_processor("orders")

    assert refuse("processor", "show", "ordes") == "No processor 'ordes'. Did you mean 'orders'?"


def test_show_has_the_published_shape(call_json: CallJson) -> None:
    processor = make_processor("orders", state="started")
    make_record(processor)
    for _ in range(2):
        make_run(processor, state="finished", done=3)

    found = call_json("processor", "show", "orders")

    assert set(found) == {
        *("slug", "state", "why", "backlog", "current_run", "next_run_at", "runs"),
        *("source", "untold", "forecast"),
    }
    assert (found["slug"], found["state"], found["backlog"]) == ("orders", "started", 1)
    assert found["current_run"] is None
    assert [run["seq"] for run in found["runs"]] == [2, 1]
    assert set(found["runs"][0]) == RUN_FIELDS
    assert found["runs"][0]["claimed"] == 3
    assert datetime.fromisoformat(found["next_run_at"]).tzinfo == UTC


def test_an_active_run_counts_what_its_batches_count(call_json: CallJson) -> None:
    run = make_run(make_processor("orders"))
    make_batch(run, state="closed", done=2, dead=1)
    make_batch(run, state="closed", slot=1, done=3)

    found = call_json("processor", "show", "orders")

    assert found["current_run"] == found["runs"][0]
    assert (found["current_run"]["claimed"], found["current_run"]["done"]) == (6, 5)
    assert found["current_run"]["ended_at"] is None


def test_a_source_out_of_reach_has_no_backlog(call_json: CallJson) -> None:
    source = make_table_source() | {"table": "gone"}
    make_processor("orders", source=source)

    assert call_json("processor", "show", "orders")["backlog"] is None


def test_people_read_the_same_facts(call: Call) -> None:
    make_run(make_processor("orders"), state="finished", done=3)

    said = call("processor", "show", "orders")

    assert "Current run  none" in said
    assert "finished" in said


def test_every_processor_is_listed(call: Call, call_json: CallJson) -> None:
    make_processor("a")
    make_processor("b", state="started")

    assert [each["state"] for each in call_json("processor", "list")] == ["stopped", "started"]
    assert len(call("processor", "list").splitlines()) == 3


def test_an_empty_list_says_what_to_do(call: Call) -> None:
    assert "processor load" in call("processor", "list")


# Verbs


def test_verbs_change_the_state_and_say_so(call: Call) -> None:
    make_processor("orders")
    states = []
    for verb in ("start", "pause", "resume", "stop"):
        assert "Orders" in call("processor", verb, "orders", "--reason", "because")
        states.append(Processor.objects.get().state)

    assert states == ["started", "paused", "started", "stopped"]
    assert set(Event.objects.values_list("reason", flat=True)) == {"because"}


def test_a_refused_verb_says_why(refuse: Refuse) -> None:
    make_processor("orders")

    assert "stopped already" in refuse("processor", "stop", "orders")


def test_run_says_which_run_has_begun(call: Call, call_json: CallJson) -> None:
    make_processor("orders")
    make_processor("other")

    assert call("processor", "run", "orders") == "Run 1 of Orders has begun."
    assert set(call_json("processor", "run", "other")) == RUN_FIELDS


@pytest.mark.django_db(transaction=True)
def test_run_and_wait_ends_a_run_without_any_worker_when_nothing_waits(
    call_json: CallJson,
) -> None:
    make_processor("orders")

    found = call_json("processor", "run", "orders", "--wait", "--timeout", "30")

    assert (found["state"], found["claimed"]) == ("finished", 0)


@pytest.mark.django_db(transaction=True)
def test_waiting_gives_up_after_the_time_allowed(refuse: Refuse) -> None:
    make_record(make_processor("orders"))

    said = refuse("processor", "run", "orders", "--wait", "--timeout", "0.3", code=124)

    assert "time to wait is up" in said
    assert Run.objects.get().state == "running"


@pytest.mark.django_db(transaction=True)
def test_stop_and_wait_ends_the_run(call_json: CallJson) -> None:
    processor = make_processor("orders")
    make_record(processor)
    make_run(processor)

    found = call_json("processor", "stop", "orders", "--wait")

    assert (found["state"], found["current_run"]) == ("stopped", None)


@pytest.mark.django_db(transaction=True)
def test_start_and_wait_returns_when_nothing_is_to_be_done(call: Call) -> None:
    make_processor("orders", trigger_kind="arrival")

    said = call("processor", "start", "orders", "--wait", "--timeout", "30")

    assert said.splitlines()[-1] == "Nothing was waiting."


def test_force_stop_wants_a_yes(refuse: Refuse, call: Call) -> None:
    make_claimed(make_run(make_processor("orders")))

    assert "add --yes" in refuse("processor", "force-stop", "orders")
    assert Batch.objects.get().state == "leased"


@pytest.mark.django_db(transaction=True)
def test_force_stop_takes_the_records_back(call: Call) -> None:
    make_claimed(make_run(make_processor("orders")))

    call("processor", "force-stop", "orders", "--yes")

    assert Batch.objects.get().close_reason == "forced"
    assert Run.objects.get().state == "stopped"


def test_a_fault_is_cleared(call: Call, refuse: Refuse) -> None:
    make_processor("orders", fault_reason="The table is gone.")

    call("processor", "clear-fault", "orders")

    assert Processor.objects.get().fault_reason == ""
    assert "no fault" in refuse("processor", "clear-fault", "orders")


# Failed records


def three_dead(slug: str = "orders") -> Processor:
    processor = make_processor(slug)
    batch = make_batch(make_run(processor))
    for mark in ("one", "one", "two"):
        record = make_record(processor, state="dead", fingerprint=mark)
        make_attempt(record, batch, outcome="dead", fingerprint=mark)
    return processor


def test_a_dry_run_only_says_how_many(call_json: CallJson) -> None:
    three_dead()

    assert call_json("processor", "retry", "orders", "--dry-run") == {"retried": 3, "dry_run": True}
    assert Record.objects.filter(state="dead").count() == 3


def test_failed_records_of_one_kind_are_retried(call: Call) -> None:
    three_dead()

    said = call("processor", "retry", "orders", "--fingerprint", "one")

    assert said.startswith("2 failed records were retried. Start or run ")
    assert Record.objects.filter(state="ready").count() == 2


def test_old_failures_are_left_by_since(call: Call) -> None:
    processor = three_dead()
    make_record(processor, state="dead", settled_at=now() - timedelta(hours=3))

    assert call("processor", "discard", "orders", "--since", "2h").startswith("3 failed")
    assert Record.objects.filter(state="dead").count() == 1


def test_nothing_to_retry_is_no_error(call: Call) -> None:
    make_processor("orders")

    said = call("processor", "retry", "orders", "--dry-run")

    assert said == "0 failed records would be retried."


@pytest.mark.parametrize("text", ["yesterday", "2026-11-25T10:00:00", "2026-02-30", "h", "12"])
def test_a_time_that_cannot_be_read_is_refused(refuse: Refuse, text: str) -> None:
    make_processor("orders")

    assert refuse("processor", "retry", "orders", "--since", text, code=2).startswith("--since: ")


def test_since_takes_a_length_or_a_time() -> None:
    noon = datetime(2026, 11, 25, 12, tzinfo=UTC)

    assert parse_time("--since", "90s", noon) == noon - timedelta(seconds=90)
    assert parse_time("--since", "2026-11-25T11:00:00+01:00", noon) == noon - timedelta(hours=2)


# As a process


def test_from_a_shell_an_error_is_one_line_and_exit_code_1(manage: Manage) -> None:
    make_processor("orders")

    ended = manage("processor", "show", "ordes")

    assert ended.returncode == 1
    assert ended.stderr == "error: No processor 'ordes'. Did you mean 'orders'?\n"


def test_definitions_come_from_standard_input_as_well(manage: Manage) -> None:
    ended = manage("processor", "load", "-", stdin=json.dumps(ORDERS))

    assert (ended.returncode, ended.stdout) == (0, "orders: created\n")


@pytest.mark.slow
def test_a_run_with_failures_ends_with_exit_code_1(
    manage: Manage, start_worker: StartWorker
) -> None:
    processor = make_processor("orders")
    for _ in range(3):
        make_record(processor)  # without XML: rejected
    start_worker("default")

    ended = manage("processor", "run", "orders", "--wait", "--json", "--timeout", "60")

    assert (ended.returncode, json.loads(ended.stdout)["dead"]) == (1, 3)
    assert ended.stderr == "error: Records failed in run 1: 3 dead.\n"
    assert manage("check_ledger", "--at-rest").returncode == 0


@pytest.mark.slow
def test_a_run_over_a_table_leaves_the_ledger_in_order(
    manage: Manage, start_worker: StartWorker
) -> None:
    rows = make_table_source(50)
    make_processor("rows", source=rows, trigger_kind="interval", breaker_on=False)
    start_worker("default")

    ended = manage("processor", "run", "rows", "--wait", "--timeout", "60")

    assert ended.stdout.startswith("Run 1 finished: 50 claimed, 50 dead.")
    checked = manage("check_ledger", "--at-rest", "--all")
    assert (checked.returncode, checked.stdout[:23]) == (0, "The ledger is in order ")
