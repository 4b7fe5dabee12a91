"""Records that are committed one by one: each in one statement, with everything on."""

import threading
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
from django.db import connection, connections, transaction

from processors import control
from processors.cycle.commits import Commits, Stretch
from processors.cycle.judging import Judge
from processors.cycle.pace import Pace
from processors.models import Attempt, Batch, Processor, Record
from processors.protocol import cycles
from processors.protocol.leases import Lease, LeaseLost, heartbeat
from processors.protocol.working import source_of
from processors.states import RecordState
from tests.conftest import StartWorker
from tests.lost_answers import lose_first_answer
from tests.stories import (
    act,
    counters,
    define,
    fill_inbox,
    handled_keys,
    numbered,
    run_here,
    wait_for_end,
)
from tests.tables import Table
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.usefixtures("goods", "clean_ledger")
on_postgres = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="SQLite takes a transaction of two statements"
)
SOURCES = ("table", "inbox")


@pytest.fixture
def goods(transactional_db: None) -> Iterator[Table]:
    table = Table()
    yield table
    table.drop()


def define_filled(kind: str, goods: Table, count: int, **definition: Any) -> Processor:
    if kind == "table":
        goods.fill(range(1, count + 1))
        return define("unrepeatable", goods.source(result="result", error="error"), **definition)
    processor = define("unrepeatable", **definition)
    fill_inbox(processor, numbered(count))
    return processor


@dataclass
class Hand:
    """A worker's batch in the test's own hands."""

    commits: Commits
    lease: Lease

    @classmethod
    def of(cls, processor: Processor) -> "Hand":
        run = control.run_once(processor.pk, act())
        commits = Commits(run, source_of(run), "the test", Pace(one_by_one=True), Judge(run))
        lease = commits.claims.first()
        assert lease is not None
        return cls(commits, lease)

    def commit_next(self, result: Any = None) -> None:
        """The next record is done."""
        claimed = self.lease.claimed[self.lease.settled]
        todo = deque(self.lease.claimed[self.lease.settled + 1 :])
        settlement = self.commits.settlement(self.lease)
        settlement.done.append((claimed, result))
        self.commits.write(self.lease, Stretch(settlement, todo))

    def finish(self) -> None:
        """The rest of the batch is done; its run ends."""
        while self.lease.settled < self.lease.size:
            self.commit_next()
        assert cycles.end_cycle(self.lease.run_id)

    @property
    def batch(self) -> Batch:
        return Batch.objects.get(pk=self.lease.batch_id)


def done_of(kind: str, goods: Table) -> int:
    if kind == "table":
        return goods.statuses().get("DONE", 0)
    return Record.objects.filter(state=RecordState.DONE).count()


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is sent to the database, in the order of sending."""
    sent: list[str] = []

    def note(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        sent.append(sql.strip())
        return execute(sql, *rest)

    with connection.execute_wrapper(note):
        yield sent


@pytest.mark.parametrize("kind", SOURCES)
def test_a_commit_of_one_record_sends_one_statement(kind: str, goods: Table) -> None:
    hand = Hand.of(define_filled(kind, goods, 5))
    hand.commit_next()  # which prepares the statement

    with statements() as sent:
        hand.commit_next()

    if connection.vendor == "postgresql":
        assert [sql.split()[0] for sql in sent] == ["EXECUTE"]
    else:
        assert [sql.split()[0] for sql in sent] == ["BEGIN", "UPDATE", "UPDATE"]
    hand.finish()


@pytest.mark.parametrize("kind", SOURCES)
def test_everything_is_counted_and_written_as_in_a_transaction(kind: str, goods: Table) -> None:
    processor = define_filled(kind, goods, 7)

    run = run_here(processor)

    assert counters(run) == {"claimed": 7, "done": 7}
    assert done_of(kind, goods) == 7
    assert not Attempt.objects.exists()
    assert len(handled_keys()) == 7


@pytest.mark.parametrize("kind", SOURCES)
def test_the_marker_names_the_next_record_in_the_commit_of_the_last(
    kind: str, goods: Table
) -> None:
    hand = Hand.of(define_filled(kind, goods, 3))

    hand.commit_next()

    batch = hand.batch
    assert (batch.settled_to, batch.in_hand, batch.done) == (1, 1, 1)
    assert batch.open_keys == [claimed.ref for claimed in hand.lease.claimed[1:]]
    hand.finish()


@pytest.mark.parametrize("kind", SOURCES)
def test_a_result_is_written_with_it(kind: str, goods: Table) -> None:
    hand = Hand.of(define_filled(kind, goods, 2))

    hand.commit_next(result={"price": 5})

    if kind == "table":
        assert goods.fetch("SELECT result FROM goods WHERE id = 1") == [('{"price": 5}',)]
    else:
        assert Record.objects.get(pk=hand.lease.claimed[0].ref).result == {"price": 5}
    hand.finish()


@pytest.mark.parametrize("kind", SOURCES)
def test_a_late_worker_writes_nothing(kind: str, goods: Table) -> None:
    hand = Hand.of(define_filled(kind, goods, 3))
    hand.commit_next()
    Batch.objects.update(token=uuid.uuid4())  # as the reaper does

    with pytest.raises(LeaseLost):
        hand.commit_next()

    assert done_of(kind, goods) == 1
    assert hand.batch.done == 1
    Batch.objects.update(token=hand.lease.token)
    hand.finish()


@pytest.mark.parametrize("kind", SOURCES)
def test_a_commit_whose_answer_was_lost_is_not_made_twice(
    kind: str, goods: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    hand = Hand.of(define_filled(kind, goods, 3))
    lose_first_answer(monkeypatch, hand.commits.at_once, "commit")

    hand.commit_next()

    assert hand.batch.done == hand.lease.settled == 1
    hand.finish()


def test_a_row_that_was_changed_meanwhile_is_parked_and_left_alone(goods: Table) -> None:
    hand = Hand.of(define_filled("table", goods, 3))
    goods.run("UPDATE goods SET status = 'MINE' WHERE id = 1")

    hand.commit_next()

    assert goods.fetch("SELECT status FROM goods WHERE id = 1") == [("MINE",)]
    assert Attempt.objects.get().error_type == "ChangedMeanwhile"
    assert (hand.batch.done, hand.batch.parked) == (0, 1)
    hand.finish()


@on_postgres
def test_a_server_that_forgets_statements_is_written_to_in_transactions(goods: Table) -> None:
    hand = Hand.of(define_filled("table", goods, 4))
    hand.commit_next()
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")  # as a pooler does that gives us another server

    hand.commit_next()
    with statements() as sent:
        hand.commit_next()

    assert sent[0].startswith("UPDATE processors_batch")
    assert hand.batch.done == 3
    hand.finish()
    connection.close()  # another one is tried anew


@on_postgres
def test_statements_are_prepared_anew_after_a_reconnect(goods: Table) -> None:
    hand = Hand.of(define_filled("inbox", goods, 4))
    hand.commit_next()
    connections.close_all()

    hand.commit_next()

    assert hand.batch.done == 2
    hand.finish()


@on_postgres
@pytest.mark.parametrize("touched", ["batch", "row"])
def test_a_commit_waits_for_whoever_holds_its_rows(goods: Table, touched: str) -> None:
    hand = Hand.of(define_filled("table", goods, 3))
    rename = partial(goods.run, "UPDATE goods SET name = 'renamed' WHERE id = 1")
    beat = partial(heartbeat, hand.lease, hand.batch.opened_at)
    touch, started = beat if touched == "batch" else rename, threading.Event()
    other = threading.Thread(target=hold_until_waited_for, args=[touch, started])
    other.start()
    assert started.wait(PATIENCE_SECONDS)

    hand.commit_next()
    other.join()

    assert goods.fetch("SELECT status FROM goods WHERE id = 1") == [("DONE",)]
    assert hand.batch.done == 1
    hand.finish()


def hold_until_waited_for(touch: Callable[[], Any], started: threading.Event) -> None:
    """Touch a row and commit as soon as somebody waits for it."""
    try:
        with transaction.atomic():
            touch()
            started.set()
            wait_until(somebody_waits, message="nobody waited")
    finally:
        started.set()
        connections.close_all()


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


@pytest.mark.parametrize("kind", SOURCES)
def test_kill_9_between_two_records_parks_the_one_in_hand_and_no_other(
    start_worker: StartWorker, goods: Table, kind: str
) -> None:
    processor = define_filled(kind, goods, 6)
    start_worker(RECORDMILL_FAILPOINT="outcome.after_commit:kill9:2")
    run = control.run_once(processor.pk, act())

    wait_for_end(run)

    assert counters(run)["done"] == 5
    assert counters(run)["parked"] == 1
    assert len(handled_keys()) == len(set(handled_keys())) == 5
