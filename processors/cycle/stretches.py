"""Treat the records of a batch, stretch by stretch, in the way its handler asks for.

Alone: one record after the other, in the worker's main thread. Inside: the same within the
transaction that records the outcome. Beside (`beside.py`): several at once, in threads or
coroutines.
"""

import time
from collections import deque
from typing import Any

from django.db import DatabaseError, OperationalError, connection, transaction

from processors.cycle.beside import Beside
from processors.cycle.commits import NARROWED, Stretch
from processors.cycle.hands import Coroutines, Threads
from processors.cycle.manners import (
    BROKEN,
    BrokenTransaction,
    Guard,
    is_gone,
    leave_if_copy,
    was_replaced,
)
from processors.cycle.patience import patiently
from processors.cycle.refusals import not_now, refused_by_database
from processors.cycle.settling import members
from processors.cycle.way import Tools, Way
from processors.handlers.outcomes import Outcome
from processors.protocol.leases import Lease, LeaseLost
from processors.sources.base import Claimed, Settlement, SourceChanged
from processors.sources.changed import MISSING, is_missing, outcome_of_change
from processors.sources.dialect import TROUBLE, can_pass, is_broken

DEADLOCK_TRIES = 5
LEAST_LOOK_SECONDS = 0.001


class Alone(Way):
    """One after the other."""

    def stretch(self, lease: Lease, todo: "deque[Claimed]") -> Lease | None:
        settlement = self.tools.commits.settlement(lease)
        self.tools.ended.append(settlement)
        self._treat(lease, todo, settlement)
        self.tools.pace.learn(len(settlement))
        leaving = bool(todo) and self.tools.must_leave()
        return self.write(lease, Stretch(settlement, todo, leaving=leaving))

    def _treat(self, lease: Lease, todo: "deque[Claimed]", settlement: Settlement) -> None:
        tools, treat, begun = self.tools, self.tools.treatment.treat, self.tools.desk.begun
        until, others, failed = tools.pace.begin(), settlement.others, 0
        now = look_at = time.monotonic()
        for _ in range(min(lease.in_hand, len(todo))):
            claimed = todo[0]
            begun[claimed.ref] = now
            treat(claimed, settlement)
            del begun[claimed.ref]
            todo.popleft()
            now = time.monotonic()
            # Looking whether to leave is cheap, but not as cheap as the fastest handlers. A failure
            # may be the one that trips the breaker.
            has_failed, failed = len(others) > failed, len(others)
            if now >= until or ((now >= look_at or has_failed) and tools.must_leave()):
                break
            look_at = now + LEAST_LOOK_SECONDS if now >= look_at else look_at


class Together(Alone):
    """A batch handler: as many at a time as one commit may hold."""

    def _treat(self, lease: Lease, todo: "deque[Claimed]", settlement: Settlement) -> None:
        self.tools.pace.begin()
        batch = [todo[n] for n in range(min(lease.in_hand, len(todo)))]
        if any(claimed.crashes for claimed in batch):
            batch = batch[:1]
        now = time.monotonic()
        self.tools.desk.begun.update({claimed.ref: now for claimed in batch})
        self.tools.treatment.treat_together(batch, settlement)
        self.tools.desk.begun.clear()
        for _ in batch:
            todo.popleft()


class Inside(Way):
    """Handler and outcome in one transaction: once in effect."""

    def stretch(self, lease: Lease, todo: "deque[Claimed]") -> Lease | None:
        begun = [todo[n] for n in range(min(lease.in_hand, len(todo)))]
        try:
            stretch = self._commit(lease, begun, todo)
        except LeaseLost:
            raise
        except NARROWED as error:
            if is_broken(error):
                raise
            if len(begun) == 1:
                return self._refuse(lease, todo, error)
        else:
            return self.tools.commits.after_commit(lease, stretch)
        lease.in_hand = 1  # the next stretches find out which of them it was
        self.tools.pace.learn_slow()
        return None

    def _commit(self, lease: Lease, begun: list[Claimed], todo: "deque[Claimed]") -> Stretch:
        """Treat as many as fit into a stretch and commit them, waiting out what passes."""
        state: list[Stretch] = []
        tries = iter(range(DEADLOCK_TRIES))

        def once() -> None:
            forgiving = next(tries, None) is not None
            with transaction.atomic(durable=True):
                state[:] = [self._treated(lease, begun, todo, forgiving=forgiving)]
                self.tools.commits.inside(lease, state[0])

        patiently(once, lambda: bool(state) and self.tools.commits.has_landed(lease, state[0]))
        stretch = state[0]
        if stretch.close is not None:  # what it still held was given back
            todo.clear()
        else:
            for _ in members(stretch.settlement):
                todo.popleft()
        self.tools.pace.learn(len(stretch.settlement))
        return stretch

    def _treated(
        self, lease: Lease, begun: list[Claimed], todo: "deque[Claimed]", *, forgiving: bool
    ) -> Stretch:
        """Treat in the open transaction, a savepoint each; only successes keep their effect."""
        settlement, until = self.tools.commits.settlement(lease), self.tools.pace.begin()
        self.tools.desk.begun.clear()
        for claimed in begun:
            self.tools.desk.begun[claimed.ref] = time.monotonic()
            self._treat_one(claimed, settlement, forgiving=forgiving)
            del self.tools.desk.begun[claimed.ref]
            if time.monotonic() >= until or self.tools.must_leave():
                break
        rest = deque(list(todo)[len(settlement) :])
        leaving = bool(rest) and self.tools.must_leave()
        return Stretch(settlement, rest, wants_more=self.tools.wants_more(), leaving=leaving)

    def _treat_one(self, claimed: Claimed, settlement: Settlement, *, forgiving: bool) -> None:
        raw, guard = connection.connection, Guard()
        done_before, failed_before = len(settlement.done), len(settlement.others)
        published_before = len(settlement.outgoing)
        savepoint = transaction.savepoint()
        given = claimed.payload
        if not is_missing(claimed):  # begun anew, the handler finds what it found at first
            claimed.payload = own_copy(given)
        try:
            with connection.execute_wrapper(guard):
                self.tools.treatment.treat(claimed, settlement)
        finally:
            claimed.payload = given
        leave_if_copy()
        if was_replaced(raw):
            raise BrokenTransaction(f"record {claimed.key} ended the transaction")
        if guard.has_refused:
            del settlement.done[done_before:], settlement.others[failed_before:]
            del settlement.outgoing[published_before:]
            settlement.others.append((claimed, broken_outcome()))
        new = settlement.others[failed_before:]
        if not new or new[0][1].kind == "done":
            keep(savepoint)
            return
        # Django refuses even this where a model's save() failed: the savepoint is from before it.
        connection.needs_rollback = False
        transaction.savepoint_rollback(savepoint)
        if forgiving and new[0][1].is_free:
            raise OperationalError(new[0][1].message)

    def _refuse(self, lease: Lease, todo: "deque[Claimed]", error: Exception) -> Lease | None:
        """One record whose effects and outcome cannot be written together: without effects."""
        claimed = todo[0]
        if isinstance(error, BrokenTransaction):
            outcome = broken_outcome()
        else:
            outcome = self._why_refused(lease, claimed)
        todo.popleft()
        single = self.tools.commits.settlement(lease)
        policy = self.tools.treatment.policy
        single.others = [(claimed, policy.apply(claimed, outcome))]
        return self.write(lease, Stretch(single, todo))

    def _why_refused(self, lease: Lease, claimed: Claimed) -> Outcome:
        """Treat it again in a transaction that is thrown away, and see what the database says."""
        try:
            with transaction.atomic(durable=True):
                settlement = self.tools.commits.settlement(lease)
                self._treat_one(claimed, settlement, forgiving=False)
                self.tools.commits.source.settle(settlement)
                transaction.set_rollback(True)
        except SourceChanged:
            claimed.payload = MISSING
            return outcome_of_change()
        except BrokenTransaction:
            return broken_outcome()
        except LookupError as error:  # the record is not in hand any more
            return refused_by_database("dead", error)
        except TROUBLE as error:
            # Nothing stays of this transaction, whatever was left open of it.
            connection.close_if_unusable_or_obsolete()
            return not_now(error) if can_pass(error) else refused_by_database("dead", error)
        return Outcome("retry", message="The outcome could not be written at first.")


def own_copy(payload: Any) -> Any:
    """A payload that a handler may change; what is no object and no list in it stays what it is.

    However deep it is nested: a column of a table may hold what an inbox would refuse.
    """
    whole = [payload]
    copied: list[Any] = [whole]
    while copied:
        outer = copied.pop()
        for place, inner in outer.items() if isinstance(outer, dict) else enumerate(outer):
            if isinstance(inner, dict | list):
                outer[place] = inner.copy()
                copied.append(outer[place])
    return whole[0]


def broken_outcome() -> Outcome:
    """What becomes of a record whose handler ended the transaction."""
    return Outcome("dead", error_type="BrokenTransaction", message=BROKEN)


def keep(savepoint: str) -> None:
    """Keep what a handler wrote. Raises BrokenTransaction where its transaction is gone."""
    try:
        transaction.savepoint_commit(savepoint)
    except DatabaseError as error:
        if is_gone(error):
            raise BrokenTransaction(str(error)) from error
        raise


def way_for(tools: Tools, concurrency: int) -> Way:
    """How this handler's records are treated."""
    handler = tools.treatment.handler
    if handler.effects == "database":
        return Inside(tools)
    if handler.batch:
        return Together(tools)
    if handler.is_async:
        return Beside(tools, Coroutines(tools.treatment, tools.desk))
    if concurrency > 1:
        return Beside(tools, Threads(tools.treatment, tools.desk))
    return Alone(tools)
