"""Mode B: rows in hand carry the mark of their batch, whatever their owner does meanwhile."""

from typing import Any

import pytest
from django.db import DatabaseError, OperationalError

from processors import cycle
from processors.clock import database_now
from processors.models import Attempt, Record
from processors.sources import open_source
from processors.sources.base import Pick
from processors.sources.marked import MarkedTableSource
from processors.states import RecordState
from tests.lost_answers import LOST, lose_first_answer
from tests.sources.marked.conftest import Deed, begun, marks_of, visits
from tests.stories import counters, define, run_here
from tests.tables import Table

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "shop"])


def test_a_row_in_hand_is_marked_and_then_done(goods: Table, deeds: dict[str, Deed]) -> None:
    goods.fill([1, 2])
    processor = define("behind", goods.source())
    seen = []
    deeds["1"] = lambda _: seen.append(goods.status(1))

    run = run_here(processor)

    assert marks_of(processor).is_own(seen[0])
    assert counters(run) == {"claimed": 2, "done": 2}
    assert goods.statuses() == {"DONE": 2}
    assert not Record.objects.exists()


@pytest.mark.parametrize(
    "deed",
    ["UPDATE goods SET status = 'MINE' WHERE id = 2", "DELETE FROM goods WHERE id = 2"],
)
def test_a_row_that_its_owner_changes_in_hand_is_parked(
    goods: Table, deeds: dict[str, Deed], deed: str
) -> None:
    goods.fill([1, 2, 3])
    processor = define("behind", goods.source())
    deeds["2"] = lambda _: goods.run(deed)

    run = run_here(processor)

    assert counters(run) == {"claimed": 3, "done": 2, "parked": 1}
    parked = Record.objects.get()
    assert (parked.key, parked.state, parked.synced) == ("2", RecordState.PARKED, True)
    assert Attempt.objects.get().error_type == "ChangedMeanwhile"
    assert goods.statuses() == {"DONE": 2} | ({"MINE": 1} if "UPDATE" in deed else {})


def test_a_row_that_is_reset_in_hand_is_handled_once_more_and_not_at_once(
    goods: Table, deeds: dict[str, Deed]
) -> None:
    goods.fill([1, 2])
    processor = define("behind", goods.source(), batch_size=1)
    deeds["1"] = lambda _: goods.set_status(1, "NEW") if visits()["1"] == 1 else None

    run_here(processor)
    before = visits()["1"]
    run_here(processor)
    run_here(processor)

    assert before == 1
    assert visits() == {"1": 2, "2": 1}
    assert goods.statuses() == {"DONE": 2}


def test_a_row_that_its_owner_takes_between_claim_and_mark_is_left_alone(
    goods: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    goods.fill([1, 2])
    processor = define("outside", goods.source())
    confirm = MarkedTableSource.confirm

    def late(source: MarkedTableSource, claimed: Any) -> Any:
        goods.set_status(1, "MINE")
        return confirm(source, claimed)

    monkeypatch.setattr(MarkedTableSource, "confirm", late)
    run = run_here(processor)

    assert counters(run) == {"claimed": 2, "done": 1, "released": 1}
    assert goods.statuses() == {"MINE": 1, "DONE": 1}
    assert not Record.objects.exists()


def test_of_a_database_that_is_away_nothing_is_claimed_and_of_a_table_that_is_gone_it_is_told(
    goods: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    goods.fill([1, 2])
    processor = define("outside", goods.source())
    source = open_source(processor.pk, processor.source)

    def away(*_: Any) -> Any:
        raise OperationalError(LOST)

    with monkeypatch.context() as patch:
        patch.setattr(MarkedTableSource, "_waiting_keys", away)
        assert source.claim(Pick(1, 10, database_now())) == []
    goods.run("ALTER TABLE goods RENAME TO goods_elsewhere")
    with pytest.raises(DatabaseError, match="goods"):
        source.claim(Pick(1, 10, database_now()))
    goods.run("ALTER TABLE goods_elsewhere RENAME TO goods")


def test_a_table_that_goes_away_at_the_mark_blames_nobody(
    goods: Table, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    usual = settings.LEASE_SECONDS
    settings.LEASE_SECONDS = 0.4  # for so long a table is waited for
    goods.fill([1, 2])
    processor = define("outside", goods.source())
    run = begun(processor)
    mark = MarkedTableSource._mark

    def cut(source: MarkedTableSource, *args: Any) -> Any:
        mark(source, *args)
        raise OperationalError(LOST)

    with monkeypatch.context() as patch:
        patch.setattr(MarkedTableSource, "_mark", cut)
        cycle.work(run.pk)
    assert goods.statuses() == {"NEW": 2}
    assert not Attempt.objects.exists()
    settings.LEASE_SECONDS = usual
    cycle.work(run.pk)

    run.refresh_from_db()
    assert counters(run) == {"claimed": 4, "released": 2, "done": 2}
    assert visits() == {"1": 1, "2": 1}


def test_a_mark_whose_answer_was_lost_is_written_again(
    goods: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    goods.fill([1, 2])
    processor = define("outside", goods.source())
    lose_first_answer(monkeypatch, MarkedTableSource, "_mark")

    run = run_here(processor)

    assert counters(run) == {"claimed": 2, "done": 2}
    assert visits() == {"1": 1, "2": 1}
