"""What becomes of a row of a table, ours or elsewhere, by what its handler said."""

from collections.abc import Iterator
from typing import Any

import pytest

from processors import dead_letters
from processors.clock import database_now
from processors.handlers import Handler, registry
from processors.models import Event, Record, Run
from processors.protocol import cycles
from processors.selection import Selection
from processors.sources import open_source
from processors.sources.foreign import ForeignTableSource
from processors.states import RecordState
from tests.handling.models import Effect
from tests.stories import LATER, act, counters, define, judged, run_here
from tests.tables import Table

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "shop"])

MODES = {"A": ("default", 20), "B": ("shop", 20), "C": ("shop", 8)}


@pytest.fixture(params=list(MODES))
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def goods(mode: str) -> Iterator[Table]:
    alias, status_length = MODES[mode]
    table = Table(alias, status_length=status_length)
    yield table
    table.drop()


def test_a_row_that_succeeds_in_the_end_is_remembered_as_done(goods: Table) -> None:
    goods.fill([1])
    processor = define("third_time", goods.source())

    run = run_here(processor)

    assert counters(run) == {"claimed": 3, "done": 1, "retried": 2}
    assert goods.statuses() == {"DONE": 1}
    record = Record.objects.get()
    assert (record.state, record.synced) == (RecordState.DONE, True)
    assert record.settled_at is not None


def test_only_what_is_settled_has_a_time_for_it(goods: Table) -> None:
    processor = judged(goods, "retry", backoff=LATER, max_attempts=2)
    assert Record.objects.get().settled_at is None

    Record.objects.update(available_at=database_now())
    run_here(processor)

    assert Record.objects.get().state == RecordState.DEAD
    assert Record.objects.get().settled_at is not None


def test_what_waits_for_another_try_can_be_claimed_when_its_time_has_come(goods: Table) -> None:
    processor = judged(goods, "retry", backoff=LATER)
    source = open_source(processor.pk, processor.source)

    for is_due in (False, True):
        for retries_only in (False, True):
            pick = cycles.look(database_now(), ledger_only=retries_only)
            assert source.has_claimable(pick) == is_due
        Record.objects.update(available_at=database_now())


@pytest.mark.parametrize(("result", "told"), [("as it is", "as it is"), ({"a": 1}, '{"a": 1}')])
def test_a_text_is_told_as_it_is_and_all_else_as_json(goods: Table, result: Any, told: str) -> None:
    registry.add(Handler("handling.say", "Say", lambda *_: result, "outside", None))
    goods.fill([1])

    run_here(define("say", goods.source(result="result")))
    del registry._handlers["handling.say"]

    assert goods.fetch("SELECT status, result FROM goods") == [("DONE", told)]


def test_failures_are_written_to_the_users_table(goods: Table) -> None:
    goods.fill([1, 2])
    goods.run("UPDATE goods SET name = 'reject' WHERE id = 2")
    processor = define(
        "judge",
        goods.source(result="result", error="error"),
    )

    run = run_here(processor)

    assert counters(run) == {"claimed": 2, "done": 1, "dead": 1}
    rows = goods.fetch("SELECT id, status, result, error FROM goods ORDER BY id")
    assert rows == [(1, "DONE", '{"name": "ware 1"}', None), (2, "ERROR", None, "no reject")]


def test_a_row_waiting_for_another_try_stays_claimed(goods: Table, mode: str) -> None:
    processor = judged(goods, "retry", backoff=LATER)

    assert counters(Run.objects.get()) == {"claimed": 1, "retried": 1}
    assert processor.source["mode"] == mode
    assert goods.status(1).partition(":")[0] == ("NEW" if mode == "C" else "TAKEN")
    assert Record.objects.get().state == RecordState.READY


def test_a_row_that_its_owner_sets_to_new_again_is_a_new_request(goods: Table) -> None:
    goods.fill([1])
    processor = define("remember_key", goods.source())

    run_here(processor)
    goods.run("UPDATE goods SET status = 'NEW'")
    run_here(processor)

    keys = list(Effect.objects.values_list("idempotency_key", flat=True))
    assert len(keys) == 2
    assert keys[0] != keys[1]


def test_a_row_that_somebody_changed_meanwhile_is_parked(transactional_db: None) -> None:
    goods = Table()
    goods.fill(range(1, 11))
    processor = define("meddle", goods.source())

    run = run_here(processor)

    assert counters(run) == {"claimed": 10, "done": 9, "parked": 1}
    parked = Record.objects.get()
    assert (parked.key, parked.state) == ("5", RecordState.PARKED)
    assert "changed or deleted" in parked.last_error
    assert goods.statuses() == {"DONE": 9, "MINE": 1}
    goods.drop()


def test_a_discarded_record_stays_discarded_and_its_row_stays_failed(goods: Table) -> None:
    processor = judged(goods, "reject")

    moved = dead_letters.discard(processor.pk, act("not ours"), Selection())

    assert moved == 1
    assert Record.objects.get().state == RecordState.SKIPPED
    assert goods.statuses() == {"ERROR": 1}
    assert Event.objects.filter(action="discard", reason="not ours").count() == 1


def test_a_retried_dead_letter_is_handled_again_under_the_same_key(goods: Table) -> None:
    processor = judged(goods, "reject")
    goods.run("UPDATE goods SET name = 'good'")

    dead_letters.retry(processor.pk, act(), Selection())
    run = run_here(processor)

    assert counters(run) == {"claimed": 1, "done": 1}
    assert goods.statuses() == {"DONE": 1}
    assert not Record.objects.needing_attention().exists()


def test_a_table_elsewhere_knows_every_outcome_when_its_run_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    goods = Table("shop")
    goods.fill([1, 2, 3])
    processor = define("judge", goods.source())
    # A worker that is about to tell the table when another one ends the run.
    monkeypatch.setattr(ForeignTableSource, "publish_outcomes", lambda *_: None)

    run_here(processor)

    assert goods.statuses() == {"DONE": 3}
    assert not Record.objects.exists()
    goods.drop()
