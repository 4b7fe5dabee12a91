"""What a valid definition is (FAULTS 5.1): every way in says the same."""

from typing import Any

import pytest

from processors.definitions import InvalidDefinition, clean, dump
from processors.models.processor import Processor
from tests.definitions.conftest import a_definition, a_table, errors, saved

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


def test_the_shortest_definition_gets_good_defaults() -> None:
    columns = clean(a_definition())

    assert columns["name"] == "Orders"
    assert columns["trigger_kind"] == "arrival"
    assert columns["queue"] == "default"
    assert columns["batch_size"] == 500
    assert columns["records_per_cycle"] is None
    assert columns["source"] == {"kind": "inbox", "topic": None}
    Processor(**columns).full_clean()


def test_a_table_source_runs_by_default_after_a_pause() -> None:
    columns = clean(a_definition(source=a_table()))

    assert columns["trigger_kind"] == "interval"
    assert columns["source"]["mode"] == "A"
    assert columns["source_kind"] == "table"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"name": "Ördèrs", "description": "All of them", "options": {"currency": "CHF"}},
        {"source": {"kind": "inbox", "topic": "orders.new"}, "trigger": {"kind": "manual"}},
        {"trigger": {"kind": "cron", "cron": "*/5 * * * *", "time_zone": "Europe/Berlin"}},
        {"records_per_cycle": 10, "backoff": {"base_seconds": 0.5, "cap_seconds": 60}},
    ],
)
def test_cleaning_a_dump_gives_the_same_columns(changes: dict[str, Any]) -> None:
    columns = clean(a_definition(**changes))
    processor = Processor.objects.create(**columns)

    assert clean(dump(processor), existing=processor) == columns
    assert dump(processor) == dump(Processor(**clean(dump(processor), existing=processor)))


def test_a_dumped_table_source_has_no_derived_fields() -> None:
    source = a_table(filter=[["amount", ">", 0]], order=["-amount"], result="result")
    processor = saved(source=source, trigger={"kind": "interval", "pause_seconds": "15"})

    dumped = dump(processor)

    assert not {"mode", "key_type", "status_type"} & set(dumped["source"])
    assert dumped["source"]["order"] == ["-amount"]
    assert dumped["trigger"] == {"kind": "interval", "pause_seconds": 15}
    assert dumped["backoff"] == {"base_seconds": 10, "cap_seconds": 3600}
    assert clean(dumped, existing=processor)["source"] == processor.source


def test_everything_that_is_wrong_is_told_at_once() -> None:
    found = errors(batch_size=0, handler="os.system", queue="fast", trigger={"kind": "never"})

    assert set(found) == {"batch_size", "handler", "queue", "trigger.kind"}


def test_the_text_of_an_error_has_a_line_per_sentence() -> None:
    with pytest.raises(InvalidDefinition) as caught:
        clean(a_definition(batch_size=0, max_attempts=0))

    assert str(caught.value) == (
        "batch_size: A whole number from 1 to 1000.\nmax_attempts: A whole number from 1 to 50."
    )


def test_an_unknown_field_names_the_one_that_was_meant() -> None:
    assert errors(batchsize=5)["batchsize"] == [
        "Unknown field 'batchsize'. Did you mean 'batch_size'?"
    ]


@pytest.mark.parametrize("data", [None, [], "x", 42])
def test_something_else_than_an_object_is_no_definition(data: Any) -> None:
    with pytest.raises(InvalidDefinition):
        clean(data)
