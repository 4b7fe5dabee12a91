"""Records treated at once within a batch: it is refilled before its hands run out of work."""

import threading
from collections import Counter, deque
from collections.abc import Iterator

import pytest
from django.db import OperationalError

from processors import control
from processors.clock import database_now
from processors.cycle.assignment import Assignment
from processors.cycle.commits import Commits, Stretch
from processors.cycle.hands import Coroutines, Hands, Threads
from processors.cycle.judging import Judge
from processors.cycle.pace import Pace
from processors.cycle.shift import Leaving, Shift
from processors.models import Batch, Processor, Record
from processors.protocol import cycles
from processors.protocol.leases import Lease
from processors.protocol.working import equip, source_of
from processors.sources.base import Claimed
from processors.states import BatchState, CloseReason, RecordState, RunState
from tests.conftest import StartWorker
from tests.factories import make_batch
from tests.handling.handlers import GIVEN_BACK
from tests.lost_answers import LOST, first_commit_fails
from tests.stories import (
    act,
    counters,
    define,
    fill_inbox,
    numbered,
    run_here,
    wait_for_effects,
    wait_for_end,
)
from tests.tables import Table

pytestmark = pytest.mark.usefixtures("goods", "clean_ledger")


@pytest.fixture
def goods(transactional_db: None) -> Iterator[Table]:
    table = Table()
    yield table
    table.drop()


def define_filled(count: int, handler: str = "rest", **definition: object) -> Processor:
    given = {"concurrency": 4, "batch_size": 10, "options": {"seconds": 0.001}, **definition}
    processor = define(handler, **given)  # type: ignore[arg-type]
    fill_inbox(processor, numbered(count))
    return processor


class Refilling:
    """A worker's batch of ten in the test's own hands, with one record in flight."""

    def __init__(self, processor: Processor) -> None:
        self.run = control.run_once(processor.pk, act())
        self.commits = Commits(self.run, source_of(self.run), "the test", Pace(), Judge(self.run))
        lease = self.commits.claims.first()
        assert lease is not None
        self.lease: Lease = lease
        self.todo = deque(lease.claimed)
        self.in_flight = [self.todo.popleft()]

    def commit(self, records: int, *, refill: bool = True) -> None:
        """So many more are done."""
        settlement = self.commits.settlement(self.lease)
        settlement.done = [(self.todo.popleft(), None) for _ in range(records)]
        self.commits.write(
            self.lease, Stretch(settlement, self.todo, list(self.in_flight), refill=refill)
        )

    def finish(self) -> None:
        """Everything that is left is done and the batch closed."""
        settlement = self.commits.settlement(self.lease)
        settlement.done = [(claimed, None) for claimed in (*self.in_flight, *self.todo)]
        self.commits.write(self.lease, Stretch(settlement, deque(), wants_more=False))
        cycles.end_cycle(self.run.pk)

    @property
    def batch(self) -> Batch:
        return Batch.objects.get(pk=self.lease.batch_id)


@pytest.mark.parametrize("handler", ["rest", "waiting"])
def test_a_batch_is_refilled_before_it_runs_dry(
    monkeypatch: pytest.MonkeyPatch, handler: str
) -> None:
    refilled = threading.Event()
    take_up, write = Hands.take_up, Commits.write

    def take_up_the_tenth_later(hands: Hands, claimed: Claimed) -> bool:
        assert claimed.ref != last_of_ten or refilled.wait(60)
        return take_up(hands, claimed)

    def see_refill(commits: Commits, lease: Lease, stretch: Stretch) -> Lease | None:
        following = write(commits, lease, stretch)
        if lease.size > 10:
            refilled.set()
        return following

    monkeypatch.setattr(Hands, "take_up", take_up_the_tenth_later)
    monkeypatch.setattr(Commits, "write", see_refill)
    processor = define_filled(60, handler)
    last_of_ten = Record.objects.order_by("id").values_list("id", flat=True)[9]

    run = run_here(processor)

    assert counters(run) == {"claimed": 60, "done": 60}
    assert Record.objects.filter(state=RecordState.DONE).count() == 60
    batches = list(Batch.objects.order_by("id"))
    assert batches[0].claimed > 10
    keys = Counter(key for batch in batches for key in batch.keys)
    assert set(keys.values()) == {1}
    assert len(keys) == 60


def test_a_refilled_batch_holds_no_more_than_its_size_and_marks_what_may_be_begun() -> None:
    hand = Refilling(define_filled(40))

    hand.commit(6)

    batch = hand.batch
    assert (batch.claimed, batch.done, len(batch.keys)) == (16, 6, 16)
    assert batch.open_keys == [c.ref for c in (*hand.in_flight, *hand.todo)]
    assert len(batch.open_keys) == 10
    assert batch.in_hand == hand.lease.in_hand
    hand.finish()


def test_a_refill_leaves_other_batches_alone() -> None:
    hand = Refilling(define_filled(40))
    other = make_batch(hand.run, state=BatchState.CLOSED)
    before = Batch.objects.filter(pk=other.pk).values().get()

    hand.commit(6)

    assert hand.batch.claimed == 16
    assert Batch.objects.filter(pk=other.pk).values().get() == before
    hand.finish()


def test_a_refill_passes_no_closed_gate() -> None:
    hand = Refilling(define_filled(40))
    control.pause(hand.run.processor_id, act())

    hand.commit(6)

    assert hand.batch.claimed == 10
    hand.finish()


def test_a_refill_gives_way_where_fewer_batches_are_allowed_now() -> None:
    processor = define_filled(40, parallelism=2)
    hand = Refilling(processor)
    Batch.objects.update(slot=1)
    hand.lease.slot = 1
    Processor.objects.update(parallelism=1, changed_at=database_now())

    hand.commit(6)

    assert hand.batch.claimed == 10
    hand.finish()


def test_a_refill_keeps_to_the_records_of_a_cycle() -> None:
    hand = Refilling(define_filled(40, records_per_cycle=12))

    hand.commit(6)

    assert hand.batch.claimed == 12
    hand.finish()


def test_a_refill_takes_nothing_under_suspicion() -> None:
    hand = Refilling(define_filled(12))
    Record.objects.filter(state=RecordState.READY).update(alone=True, crashes=1)

    hand.commit(6)

    assert hand.batch.claimed == 10
    hand.finish()


def test_a_row_that_is_new_again_goes_into_another_batch(goods: Table) -> None:
    goods.fill(range(1, 12))
    processor = define("rest", goods.source(), concurrency=4, batch_size=10)
    hand = Refilling(processor)
    hand.commit(3, refill=False)
    goods.run("UPDATE goods SET status = 'NEW' WHERE id = 2")  # another request for it

    hand.commit(3)

    assert [claimed.ref for claimed in hand.todo] == [8, 9, 10, 11]
    assert goods.fetch("SELECT status FROM goods WHERE id = 2") == [("NEW",)]
    hand.finish()
    assert not cycles.end_cycle(hand.run.pk)  # the row waits for a batch of its own
    control.stop(processor.pk, act())
    cycles.end_cycle(hand.run.pk)


def test_a_refill_whose_answer_was_lost_is_not_made_twice() -> None:
    hand = Refilling(define_filled(40))

    with first_commit_fails(OperationalError(LOST), has_happened=True):
        hand.commit(6)

    assert hand.batch.claimed == hand.lease.size == 16
    assert len(hand.todo) == 9
    hand.finish()


def test_a_refill_that_was_rolled_back_is_forgotten() -> None:
    hand = Refilling(define_filled(40))

    with first_commit_fails(LookupError("the commit was refused"), has_happened=False):
        hand.commit(6)

    assert hand.batch.claimed == hand.lease.size == 10
    assert len(hand.todo) == 3
    hand.finish()


@pytest.mark.parametrize(
    ("handler", "kind"), [("departing", Threads), ("departing_async", Coroutines)]
)
def test_what_hands_have_not_begun_is_given_back_at_once(
    monkeypatch: pytest.MonkeyPatch, handler: str, kind: type[Hands]
) -> None:
    monkeypatch.setattr(Leaving, "asked", False)
    GIVEN_BACK.clear()

    def withdraw(hands: Hands) -> list[Claimed]:
        left = withdrawn(hands)
        if Leaving.asked:
            GIVEN_BACK.set()
        return left

    withdrawn = kind.withdraw
    monkeypatch.setattr(kind, "withdraw", withdraw)
    processor = define_filled(100, handler, batch_size=100, options={})
    run = control.run_once(processor.pk, act())
    assignment = Assignment.find(run.pk)
    assert assignment is not None

    Shift(assignment, equip(run)).work()

    found = counters(run)
    assert found["claimed"] == found["done"] + found["released"]
    assert 5 <= found["done"] <= 8  # four were in hand when it was asked, or about to be
    assert Batch.objects.get().close_reason == CloseReason.RELEASED
    assert Record.objects.filter(state=RecordState.READY).count() == 100 - found["done"]


def test_stopping_gives_back_what_is_in_nobodys_hands(start_worker: StartWorker) -> None:
    held = {"since": 8, "count": 392}
    processor = define_filled(400, "holding", batch_size=100, options=held)
    start_worker()
    run = control.run_once(processor.pk, act())
    wait_for_effects(12)  # four of them are held

    control.stop(processor.pk, act())
    wait_for_end(run)

    assert run.state == RunState.STOPPED
    assert run.claimed == run.done + run.released == 100
    assert Record.objects.filter(state=RecordState.READY).count() == 400 - run.done


def test_kill_9_right_after_a_refill_loses_and_doubles_nothing(start_worker: StartWorker) -> None:
    processor = define_filled(60, options={"seconds": 0.01})
    start_worker(RECORDMILL_FAILPOINT="claim.after_commit:kill9:3")
    run = control.run_once(processor.pk, act())

    wait_for_end(run)

    assert Record.objects.filter(state=RecordState.DONE).count() == 60
    assert counters(run)["done"] == 60
    assert Batch.objects.filter(close_reason=CloseReason.REAPED).exists()
