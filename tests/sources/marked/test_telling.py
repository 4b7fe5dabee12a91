"""Mode B: what became of a row is told to its table once, however late (F74 and F75)."""

from typing import Any

import pytest
from django.db import OperationalError, connections
from django.db.models import F

from processors.models import Processor, Record
from processors.sources import open_source
from processors.sources.foreign import ForeignTableSource
from processors.sources.marked import MarkedTableSource
from processors.sources.user_rows import UserRows
from processors.states import RecordState
from tests.lost_answers import LOST
from tests.sources.marked.conftest import look_again, visits
from tests.stories import counters, define, judged, run_here
from tests.tables import WORDS, Table

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "shop"])


def test_a_row_reset_while_its_outcome_is_noted_is_visited_exactly_once_more(
    goods: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    goods.fill([1])
    processor = define("outside", goods.source())
    note = ForeignTableSource._note_synced

    def reset_first(source: ForeignTableSource, records: Any) -> int:
        goods.run("UPDATE goods SET status = 'NEW' WHERE status = 'DONE'")
        return note(source, records)

    with monkeypatch.context() as patch:
        patch.setattr(ForeignTableSource, "_note_synced", reset_first)
        run_here(processor)
    run_here(processor)
    run_here(processor)

    assert visits() == {"1": 2}
    assert goods.statuses() == {"DONE": 1}


def test_a_row_reset_after_its_teller_died_is_visited_exactly_once_more(
    goods: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    goods.fill([1])
    processor = define("outside", goods.source())
    with monkeypatch.context() as patch:
        patch.setattr(ForeignTableSource, "_note_synced", lambda *_: 0)
        run_here(processor)
    assert Record.objects.get().synced is False

    goods.set_status(1, "NEW")
    first = run_here(processor)  # the claim leaves what its table has not heard alone
    look_again()
    run_here(processor)

    assert counters(first).get("claimed", 0) <= 1
    assert visits() == {"1": 2}
    assert goods.statuses() == {"DONE": 1}


def test_outcomes_that_a_table_did_not_hear_are_told_by_a_tick(
    goods: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    goods.fill(range(1, 6))
    goods.run("UPDATE goods SET name = 'reject' WHERE id = 5")
    processor = define("judge", goods.source(error="error"))

    def away(*_: Any) -> None:
        raise OperationalError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(UserRows, "tell_exactly", away)
        run = run_here(processor)
        untold = Record.objects.untold().count()
        assert look_again() == 0
    told = look_again()

    assert counters(run) == {"claimed": 5, "done": 4, "dead": 1}
    assert (untold, told) == (5, 5)
    assert goods.statuses() == {"DONE": 4, "ERROR": 1}
    assert Record.objects.get().state == RecordState.DEAD
    assert look_again() == 0


def test_what_is_told_and_not_cleared_away_is_told_again(goods: Table) -> None:
    goods.fill(range(1, 4))
    processor = define("outside", goods.source())

    def die(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('DELETE FROM "processors_record"'):
            raise OperationalError(LOST)
        return execute(sql, *rest)

    with connections["default"].execute_wrapper(die):
        run_here(processor)

    assert Record.objects.untold().count() == 3
    assert look_again() == 3
    assert not Record.objects.exists()


def test_a_late_teller_notes_nothing_of_a_later_outcome(goods: Table) -> None:
    processor = judged(goods, "reject")
    old = list(Record.objects.all())
    Record.objects.update(synced=False, batch_id=F("batch_id") + 1)

    source = open_source(processor.pk, processor.source)

    assert isinstance(source, ForeignTableSource)
    assert source._note_synced(old) == 0
    assert Record.objects.get().synced is False


def test_an_outcome_that_the_table_refuses_does_not_hold_up_the_others() -> None:
    goods = Table("shop")
    goods.drop()
    goods.run(
        "CREATE TABLE goods (id bigint PRIMARY KEY, name text, status varchar(20) DEFAULT 'NEW',"
        " result text CHECK (length(result) < 25), error text)"
    )
    goods.fill(range(1, 6))
    goods.run("UPDATE goods SET name = 'a name that is much too long' WHERE id = 4")
    processor = define("echo", goods.source(result="result", error="error"))
    assert processor.source["mode"] == "B"

    run_here(processor)

    assert goods.statuses() == {"DONE": 5}
    kept = Record.objects.get()
    assert kept.key == "4"
    assert "refused the outcome" in kept.last_error
    goods.drop()


def test_a_row_that_its_table_does_not_let_us_write_does_not_hold_up_the_others() -> None:
    """It stays untold, and is neither told as done nor handled again."""
    goods = Table("shop", status_length=8)
    goods.drop()
    goods.run(
        "CREATE TABLE goods (id bigint PRIMARY KEY, name text, status varchar(8) DEFAULT 'NEW',"
        " CHECK (name <> 'frozen' OR status = 'NEW'))"
    )
    processor = define("outside", goods.source())
    goods.fill(range(1, 6))
    goods.run("UPDATE goods SET name = 'frozen' WHERE id = 2")

    run_here(processor)
    run_here(processor)

    assert visits() == dict.fromkeys("12345", 1)
    assert goods.statuses() == {"DONE": 4, "NEW": 1}
    untold = Record.objects.get()
    assert (untold.key, untold.synced) == ("2", False)
    assert "refused the outcome" in untold.last_error
    goods.run("UPDATE goods SET name = 'thawed' WHERE id = 2")
    assert look_again() == 1
    assert goods.statuses() == {"DONE": 5}
    goods.drop()


def test_outcomes_are_told_in_the_words_their_run_began_with(
    goods: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    goods.fill([1])
    processor = define("outside", goods.source())
    with monkeypatch.context() as patch:
        patch.setattr(MarkedTableSource, "publish_outcomes", lambda *_: None)
        patch.setattr(MarkedTableSource, "reconcile", lambda *_: 0)
        run_here(processor)
    changed = processor.source | {"words": WORDS | {"claimed": "BUSY", "done": "READY"}}
    Processor.objects.update(source=changed)

    look_again()

    assert goods.statuses() == {"DONE": 1}
