"""`manage.py processor list` and `show`: the same facts for programs and people."""

from datetime import UTC, datetime, timedelta

import pytest

from processors.clock import database_now
from tests.factories import make_batch, make_processor, make_record, make_run, make_table_source
from tests.management.conftest import Call, CallJson, Refuse
from tests.management.processor.conftest import RUN_FIELDS

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


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


def test_an_inbox_on_arrival_has_a_next_run_only_where_a_record_waits_for_its_time(
    call_json: CallJson,
) -> None:
    now = database_now()
    looked_at, tried_at = now + timedelta(seconds=5), now + timedelta(minutes=3)
    processor = make_processor(
        "orders", state="started", trigger_kind="arrival", next_due_at=looked_at
    )

    empty = call_json("processor", "show", "orders")
    make_record(processor, available_at=tried_at, maybe_seen=True, attempts=1)
    waiting = call_json("processor", "show", "orders")

    assert empty["next_run_at"] is None
    assert datetime.fromisoformat(waiting["next_run_at"]) == tried_at
    assert " for what waits until then." in waiting["why"]


def test_while_a_run_is_active_no_other_is_due(call_json: CallJson) -> None:
    source, now = make_table_source(), database_now()
    make_run(make_processor("orders", source=source, state="started", next_due_at=now))

    assert call_json("processor", "show", "orders")["next_run_at"] is None


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
    soon = database_now() + timedelta(minutes=5)
    make_processor("orders", source=source, state="started", next_due_at=soon)

    found = call_json("processor", "show", "orders")

    assert found["backlog"] is None
    assert "No cycle can begin: table 'gone' in 'default' is not as it was" in found["why"]


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
