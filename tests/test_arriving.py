"""A few records and their cycle in one statement: what the usual way writes, or nothing."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from processors import control, publish, publishing
from processors.clock import database_now
from processors.models import Event, Installation, Processor, Record, Run
from processors.protocol import arriving
from processors.protocol.arriving import Arrival
from processors.sources.arrivals import Prepared
from tests.factories import make_record, make_run
from tests.stories import act, counted_statements, define

pytestmark = [
    pytest.mark.usefixtures("transactional_db", "clean_ledger"),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite takes several statements"),
]
# What differs from one processor, record or moment to the next.
OWN = {"id", "slug", "name", "processor_id", "run_id", "version"}


def arriving_at(slug: str = "story", **definition: Any) -> Processor:
    """An idle processor that handles its records on arrival."""
    definition = {"trigger": {"kind": "arrival"}} | definition
    processor = define("echo", slug=slug, name=slug, **definition)
    control.start(processor.pk, act())
    return processor


def item(key: str, **fields: Any) -> dict[str, Any]:
    return {"key": key, "payload": {"n": 1, "text": "ä%s"}, **fields}


def arrive(target: str, *items: dict[str, Any]) -> Arrival | None:
    return arriving.arrive(target, publishing.prepare_few(target, items))


def written(processor: Processor) -> list[list[dict[str, Any]]]:
    """All that a publication writes, without what is one's own; times as whether there is one."""
    rows = (
        Record.objects.filter(processor=processor),
        Run.objects.filter(processor=processor),
        Event.objects.filter(processor=processor, subject="run"),
        Processor.objects.filter(pk=processor.pk),
    )
    return [[plain(row) for row in found.order_by("pk").values()] for found in rows]


def plain(row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: "a time" if isinstance(value, datetime) else value
        for name, value in row.items()
        if name not in OWN
    }


@pytest.mark.parametrize(
    "definition",
    [
        {},
        {"records_per_cycle": 7, "parallelism": 3, "batch_size": 20, "max_attempts": 2},
        {"backoff": {"base_seconds": 1.5, "cap_seconds": 60}, "queue": "high"},
    ],
)
def test_one_statement_writes_what_the_usual_way_writes(definition: dict[str, Any]) -> None:
    one, other = (arriving_at(slug, **definition) for slug in ("one", "other"))
    items = [item("a", priority=3), item("b", expires_at=database_now() + timedelta(hours=1))]

    found = arrive("one", *items)
    publishing.publish_all("other", publishing.prepare_all("other", items))

    assert found is not None
    assert found.begun is not None
    assert written(one) == written(other)
    assert Run.objects.filter(expected=2).count() == 2


def test_what_waited_already_is_expected_as_well() -> None:
    processor = arriving_at()
    publish("story", [item("later", available_at=database_now() + timedelta(hours=1))])

    publish("story", [item("a")])

    assert Run.objects.get(processor=processor).expected == 2


def test_what_others_have_and_what_is_through_neither_hinders_nor_counts() -> None:
    processor, other = arriving_at(), arriving_at("other")
    make_run(other)
    for key, alone in (("a", False), ("b", True)):
        make_record(other, key=key, alone=alone)
    make_record(processor, key="through", state="done")

    found = arrive("story", item("a"))

    assert found is not None
    assert found.begun is not None
    assert found.begun.expected == 1


def known(processor: Processor) -> None:
    publish("story", [item("a", available_at=database_now() + timedelta(hours=1))])


def with_another_listener(processor: Processor) -> None:
    define("echo", slug="other", name="Other", source={"kind": "inbox", "topic": "story"})


@pytest.mark.parametrize(
    ("hinder", "target"),
    [
        (known, "story"),
        (with_another_listener, "story"),
        (lambda _: None, "nobody"),
        (lambda _: Processor.objects.update(source_kind="table"), "story"),
    ],
)
def test_what_is_not_plain_writes_nothing(
    hinder: Callable[[Processor], object], target: str
) -> None:
    hinder(arriving_at())
    before = Record.objects.count()

    found = arriving.arrive(target, [Prepared(target, "a", "{}"), Prepared(target, "b", "{}")])

    assert found is None
    assert (Record.objects.count(), Run.objects.count()) == (before, 0)


def test_a_key_given_twice_writes_nothing() -> None:
    arriving_at()

    found = arriving.arrive("story", [Prepared("story", "a", "{}"), Prepared("story", "a", "{}")])

    assert found is None
    assert not Record.objects.exists()


def test_nothing_is_stored_at_once_inside_a_transaction() -> None:
    arriving_at()

    with transaction.atomic():
        assert arrive("story", item("a")) is None


def changed(**columns: Any) -> Callable[[Processor], object]:
    return lambda processor: Processor.objects.filter(pk=processor.pk).update(**columns)


@pytest.mark.parametrize(
    "hinder",
    [
        changed(state="stopped", next_due_at=None),
        changed(state="paused", next_due_at=None),
        changed(fault_reason="It broke."),
        changed(trigger_kind="manual"),
        changed(next_due_at=None),
        changed(blackouts=["mon-sun 00:00-24:00"]),
        make_run,
        lambda _: Installation.objects.update(home="elsewhere"),
        lambda _: Installation.objects.update(paused_at=database_now()),
    ],
)
def test_where_no_cycle_may_begin_the_records_are_stored(
    hinder: Callable[[Processor], object],
) -> None:
    hinder(arriving_at())
    before = Run.objects.count()

    found = arrive("story", item("a"))

    assert found is not None
    assert found.begun is None
    assert (Record.objects.count(), Run.objects.count()) == (1, before)


def test_publishing_to_an_idle_processor_takes_one_statement() -> None:
    arriving_at()
    arrive("story", item("later", available_at=database_now() + timedelta(hours=1)))

    with counted_statements() as asked:
        publish("story", [item("a")])

    assert len(asked) == 1
    assert Run.objects.active().count() == 1
