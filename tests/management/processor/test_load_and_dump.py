"""`manage.py processor load` and `dump`: definitions come in, and go out as they came."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.admin.models import LogEntry
from django.utils.timezone import now

from processors.models import Event, Processor
from tests.factories import make_processor, make_table_source
from tests.management.conftest import Call, Refuse
from tests.management.processor.conftest import ORDERS, a_file

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


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
