"""A dry run says what would become of records, and keeps nothing of it."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from processors import dry_run
from processors.acts import Refused
from processors.handlers import Handler, registry
from processors.models import Attempt, Batch, Record, Run
from tests.handling.models import Effect
from tests.stories import define, fill_inbox, numbered
from tests.tables import Table

pytestmark = pytest.mark.django_db(transaction=True)


def everything() -> list[int]:
    return [model.objects.count() for model in (Effect, Run, Batch, Attempt)]


@pytest.fixture
def judging() -> Iterator[str]:
    """A handler with an effect that says how many it can see, and does not like the third."""

    def handle(record: Any, context: Any) -> int:
        Effect.objects.create(key=record.key, idempotency_key="", run=0, pid=0, begun_at=0)
        context.log(f"has {record.key}")
        context.publish("elsewhere", {"of": record.key})
        if record.payload["n"] == 2:
            raise ValueError("no third")
        return Effect.objects.count()

    registry.add(Handler("handling.judging", "Judge", handle, effects="database"))
    yield "judging"
    del registry._handlers["handling.judging"]


def test_it_tells_each_outcome_and_keeps_nothing(judging: str) -> None:
    processor = define(judging)
    fill_inbox(processor, numbered(5))
    before = everything()

    tried = dry_run.dry_run(processor, limit=4)

    assert [one.key for one in tried] == ["key-0000", "key-0001", "key-0002", "key-0003"]
    assert [one.outcome.kind for one in tried] == ["done", "done", "retry", "done"]
    assert [one.outcome.result for one in tried] == [1, 2, None, 3], "a failure leaves no effect"
    assert tried[2].outcome.message == "no third"
    assert tried[0].outcome.log == ["has key-0000"]
    assert [topic for topic, _payload, _key in tried[0].published] == ["elsewhere"]
    assert tried[2].published == []
    assert everything() == before
    assert set(Record.objects.values_list("state", "attempts")) == {("ready", 0)}


def test_a_save_that_failed_costs_its_record_alone() -> None:
    def handle(record: Any, context: Any) -> None:
        effect = Effect(key=record.key, idempotency_key="", run=0, pid=0, begun_at=0)
        effect.key = None if record.payload["n"] == 0 else record.key  # type: ignore[assignment]
        effect.save()

    registry.add(Handler("handling.saving", "Save", handle, effects="database"))
    processor = define("saving")
    fill_inbox(processor, numbered(2))

    tried = dry_run.dry_run(processor)

    del registry._handlers["handling.saving"]
    assert [one.outcome.kind for one in tried] == ["retry", "done"]
    assert not Effect.objects.exists()


def test_chosen_keys_are_tried_whatever_became_of_them(judging: str) -> None:
    processor = define(judging)
    fill_inbox(processor, numbered(3))
    Record.objects.filter(key="key-0001").update(state="done")

    tried = dry_run.dry_run(processor, keys=["key-0001"])

    assert [(one.key, one.outcome.kind) for one in tried] == [("key-0001", "done")]


def test_an_unknown_key_is_named_and_nothing_is_tried(judging: str) -> None:
    processor = define(judging)

    with pytest.raises(Refused, match="has no record 'key-9'"):
        dry_run.dry_run(processor, keys=["key-9"])


@pytest.mark.parametrize("name", ["outside", "unrepeatable"])
def test_a_handler_that_acts_outside_is_not_called(name: str) -> None:
    processor = define(name)
    fill_inbox(processor, numbered(1))

    with pytest.raises(Refused, match="cannot be taken back"):
        dry_run.dry_run(processor)
    assert not Effect.objects.exists()


def test_rows_of_a_table_are_read_and_left_as_they_are() -> None:
    goods = Table()
    goods.fill(range(1, 6))
    processor = define("effect", goods.source())

    tried = dry_run.dry_run(processor, limit=3)

    assert [one.outcome.kind for one in tried] == ["done"] * 3
    assert goods.statuses() == {"NEW": 5}
    assert not Effect.objects.exists()
    goods.drop()


@pytest.mark.parametrize("how", ["COMMIT", "ROLLBACK", "swallow"])
def test_a_handler_that_would_end_the_transaction_is_kept_from_it(how: str) -> None:
    processor = define("breaking")
    fill_inbox(processor, {"A": {"how": how}})

    [tried] = dry_run.dry_run(processor)

    assert tried.outcome.kind in ("dead", "retry")
    assert "broke the transaction" in tried.outcome.message
    assert not Effect.objects.exists()


def test_a_handler_that_ends_it_behind_our_back_ends_the_dry_run() -> None:
    processor = define("breaking")
    fill_inbox(processor, {"A": {"how": "behind"}, "B": {}})

    with pytest.raises(Refused, match="given up at 'A'"):
        dry_run.dry_run(processor)
    connection.close()


def say(*words: str) -> str:
    out = StringIO()
    call_command("processor", "dry-run", *words, stdout=out)
    return out.getvalue()


def test_the_command_tells_it_in_lines(judging: str) -> None:
    fill_inbox(define(judging), numbered(2))

    told = say("story").splitlines()

    assert told[0] == "key-0000: done – 1"  # noqa: RUF001 - a dash
    assert told[1] == "  has key-0000"
    assert told[2].startswith("  would publish dry-run:")
    assert told[-1] == "2 records tried. Nothing was kept."


def test_the_command_ends_with_1_where_a_record_would_fail(judging: str) -> None:
    fill_inbox(define(judging), numbered(3))

    with pytest.raises(CommandError, match="1 of 3 would have failed"):
        say("story", "--json")
