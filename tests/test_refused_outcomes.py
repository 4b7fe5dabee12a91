"""Outcomes that the database does not take: narrowed down to the record, one commit each."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import DataError, OperationalError

from processors.clock import database_now
from processors.cycle.commits import Commits, Stretch
from processors.cycle.settling import members
from processors.handlers import Context, Handler, registry
from processors.handlers import Record as Given
from processors.models import Attempt, Batch, Processor, Record
from processors.protocol.leases import Lease
from processors.sources.base import Settlement
from processors.sources.inbox import InboxSource
from tests.handling.models import Effect
from tests.stories import counters, define, fill_inbox, numbered, run_here
from tests.tables import Table

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "shop"])


@pytest.fixture
def goods() -> Iterator[Table]:
    """Ten rows; the result of the fourth is longer than its column takes."""
    table = Table()
    table.run("DROP TABLE goods")
    table.run(
        "CREATE TABLE goods (id bigint PRIMARY KEY, name text, status varchar(20) DEFAULT 'NEW',"
        " result text CHECK (length(result) < 25), error text)"
    )
    table.fill(range(1, 11))
    table.run("UPDATE goods SET name = 'a name that is much too long' WHERE id = 4")
    yield table
    table.drop()


@pytest.mark.parametrize("batch_size", [100, 4])
def test_an_outcome_that_the_database_refuses_is_that_records_failure(
    goods: Table, batch_size: int
) -> None:
    source = goods.source(result="result", error="error")

    run = run_here(define("echo", source, batch_size=batch_size))

    assert counters(run) == {"claimed": 10, "done": 9, "dead": 1}
    assert goods.statuses() == {"DONE": 9, "ERROR": 1}
    assert "refused" in Record.objects.get().last_error


def test_amid_commits_one_by_one_the_batch_lists_all_that_wait_for_theirs(
    goods: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    after_commit, listed = Commits.after_commit, []

    def look(commits: Commits, lease: Lease, stretch: Stretch) -> Lease | None:
        listed.append(len(Batch.objects.get().open_keys))
        return after_commit(commits, lease, stretch)

    monkeypatch.setattr(Commits, "after_commit", look)
    monkeypatch.setattr("processors.cycle.pace.COMMIT_SECONDS", 600.0)  # no stretch is cut short

    run_here(define("echo", goods.source(result="result")))

    assert listed == [*range(9, -1, -1), 0]


@pytest.fixture
def talkative() -> Iterator[None]:
    """A handler that publishes each record's key, and returns its row."""

    def handle(record: Given, context: Context) -> Any:
        context.publish("next", {}, key=record.key)
        return record.payload

    registry.add(Handler("handling.talkative", "Talk", handle, "outside", None))
    yield
    del registry._handlers["handling.talkative"]


@pytest.mark.usefixtures("talkative")
@pytest.mark.parametrize("refused", [2, 4])
def test_what_a_record_published_shares_the_fate_of_its_own_outcome(
    goods: Table, refused: int
) -> None:
    define("echo", slug="next", name="Next")
    goods.run("UPDATE goods SET name = 'short' WHERE id = 4")
    goods.run(f"UPDATE goods SET name = 'a name that is much too long' WHERE id = {refused}")

    run = run_here(define("talkative", goods.source(result="result", error="error")))

    assert counters(run) == {"claimed": 10, "done": 9, "dead": 1}
    published = Record.objects.filter(processor__slug="next").values_list("key", flat=True)
    assert set(published) == {str(n) for n in range(1, 11)} - {str(refused)}


@pytest.fixture
def locked_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has the row of the record `held`, for longer than anybody waits."""
    settle = InboxSource.settle

    def wait_in_vain(source: InboxSource, settlement: Settlement) -> None:
        if "held" in [claimed.key for claimed in members(settlement)] and not settlement.others:
            raise OperationalError("canceling statement due to lock timeout")
        settle(source, settlement)

    def impatiently(act: Any, *_: Any) -> Any:
        return act()

    monkeypatch.setattr(InboxSource, "settle", wait_in_vain)
    monkeypatch.setattr(InboxSource, "settle_one", lambda *_: None)
    for module in ("commits", "stretches"):
        monkeypatch.setattr(f"processors.cycle.{module}.patiently", impatiently)


@pytest.mark.usefixtures("locked_row")
@pytest.mark.parametrize(
    ("handler", "counter", "counts"),
    [("outside", "retried", False), ("effect", "retried", False), ("unrepeatable", "parked", True)],
)
def test_a_row_that_stays_locked_costs_only_what_must_not_be_repeated(
    handler: str, counter: str, counts: bool
) -> None:
    """What is put off is free, for the record and for the circuit breaker."""
    breaker = {"failures": 1, "share_percent": 0}
    processor = define(handler, max_attempts=1, breaker=breaker)
    fill_inbox(processor, numbered(3) | {"held": {}})
    before = database_now()

    run = run_here(processor)

    held = Record.objects.get(key="held")
    assert counters(run) == {"claimed": 4, "done": 3, counter: 1}
    assert Processor.objects.get().is_faulted == counts
    assert Attempt.objects.get().record == held
    if not counts:
        assert held.attempts == 0
        assert held.available_at > before + timedelta(seconds=5)


@pytest.fixture
def refused_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database refuses the record `odd` amid others and alone, and then takes it."""
    settle, refusals = InboxSource.settle, iter(range(2))

    def refuse(source: InboxSource, settlement: Settlement) -> None:
        is_done = "odd" in [claimed.key for claimed, _ in settlement.done]
        if is_done and next(refusals, None) is not None:
            raise DataError("a value is out of range")
        settle(source, settlement)

    monkeypatch.setattr(InboxSource, "settle", refuse)
    monkeypatch.setattr(InboxSource, "settle_one", lambda *_: None)


@pytest.mark.usefixtures("refused_twice")
def test_looking_why_an_outcome_was_refused_leaves_no_effect() -> None:
    processor = define("effect")
    fill_inbox(processor, numbered(3) | {"odd": {}})

    run = run_here(processor)

    odd = Record.objects.get(key="odd")
    assert counters(run) == {"claimed": 4, "done": 3, "retried": 1}
    assert (odd.state, odd.last_error) == ("ready", "The outcome could not be written at first.")
    assert sorted(Effect.objects.values_list("key", flat=True)) == sorted(numbered(3))

    Record.objects.filter(pk=odd.pk).update(available_at=database_now())
    assert counters(run_here(processor)) == {"claimed": 1, "done": 1}
    assert Effect.objects.filter(key="odd").count() == 1
