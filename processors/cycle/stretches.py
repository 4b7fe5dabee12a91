"""Treat the records of a batch, stretch by stretch, in the way its handler asks for.

Alone: one record after the other, in the worker's main thread. Inside: the same within the
transaction that records the outcome. Beside: several at once, in threads or coroutines.
"""

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from django.db import DatabaseError, OperationalError, connection, transaction

from processors import failpoints
from processors.cycle.commits import NARROWED, Commits, Stretch, members, patiently
from processors.cycle.hands import Coroutines, Hands, Threads
from processors.cycle.manners import (
    BROKEN,
    BrokenTransaction,
    Guard,
    is_gone,
    leave_if_copy,
    was_replaced,
)
from processors.cycle.pace import Pace
from processors.cycle.treatment import Treatment
from processors.cycle.watch import Desk
from processors.handlers.outcomes import Outcome
from processors.protocol.leases import Lease, LeaseLost
from processors.sources.base import Claimed, Ref, Settlement, SourceChanged
from processors.sources.dialect import is_broken
from processors.sources.table import MISSING, outcome_of_change

DEADLOCK_TRIES = 5
LEAST_LOOK_SECONDS = 0.001


@dataclass
class Tools:
    """What every way of treating needs.

    `must_leave` says whether to give back what was not begun; `wants_more` whether another
    batch would be welcome.
    """

    treatment: Treatment
    commits: Commits
    pace: Pace
    desk: Desk
    must_leave: Callable[[], bool]
    wants_more: Callable[[], bool]
    # What ended since the last commit, for the watch to save when a record hangs.
    ended: list[Settlement] = field(default_factory=list)


class Way(ABC):
    """How the records of a batch are treated."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools

    def batch(self, lease: Lease) -> Lease | None:
        """Treat a batch to its end; the next one where there is one."""
        todo = deque(lease.claimed)
        self.tools.desk.lease = lease
        if not todo:  # nothing of it was still waiting when looked at again
            return self.write(lease, Stretch(self.tools.commits.settlement(lease), todo))
        following = None
        while self.goes_on(todo):
            failpoints.reach("begin.after")
            following = self.stretch(lease, todo)
        if todo:
            settlement = self.tools.commits.settlement(lease)
            self.write(lease, Stretch(settlement, todo, leaving=True))
            return None
        return following

    def goes_on(self, todo: "deque[Claimed]") -> bool:
        """Whether there is another stretch."""
        return bool(todo) and not self.tools.must_leave()

    @abstractmethod
    def stretch(self, lease: Lease, todo: "deque[Claimed]") -> Lease | None:
        """Treat and commit some of `todo`, taking them out of it."""

    def write(self, lease: Lease, stretch: Stretch) -> Lease | None:
        """Commit; nothing of it is in the watch's care afterwards."""
        stretch.wants_more = self.tools.wants_more()
        closes = stretch.close is not None
        following = self.tools.commits.write(lease, stretch)
        self.tools.ended.clear()
        if closes:  # what it still held was given back
            stretch.todo.clear()
        return following

    def close(self) -> None:
        """The shift is over."""


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
            begun.clear()
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
            return self._commit(lease, begun, todo)
        except LeaseLost:
            raise
        except NARROWED as error:
            if is_broken(error):
                raise
            if len(begun) == 1:
                return self._refuse(lease, todo, error)
        lease.in_hand = 1  # the next stretches find out which of them it was
        self.tools.pace.learn_slow()
        return None

    def _commit(self, lease: Lease, begun: list[Claimed], todo: "deque[Claimed]") -> Lease | None:
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
        return self.tools.commits.after_commit(lease, stretch)

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
        savepoint = transaction.savepoint()
        with connection.execute_wrapper(guard):
            self.tools.treatment.treat(claimed, settlement)
        leave_if_copy()
        if was_replaced(raw):
            raise BrokenTransaction(f"record {claimed.key} ended the transaction")
        if guard.has_refused:
            del settlement.done[done_before:], settlement.others[failed_before:]
            settlement.others.append((claimed, broken_outcome()))
        new = settlement.others[failed_before:]
        if not new or new[0][1].kind == "done":
            keep(savepoint)
            return
        transaction.savepoint_rollback(savepoint)
        connection.needs_rollback = False
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
        except DatabaseError as error:
            return Outcome(
                "dead",
                error_type=type(error).__name__,
                message=f"The database refused the outcome: {error}".strip(),
            )
        return Outcome("retry", message="The outcome could not be written at first.")


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


class Beside(Way):
    """Several at once; each commit holds what has ended by then, while the hands go on.

    Before a batch runs dry it is refilled, in the commit of outcomes of its own.
    """

    def __init__(self, tools: Tools, hands: Hands) -> None:
        super().__init__(tools)
        self.hands = hands
        self.in_flight: dict[Ref, Claimed] = {}
        self.is_dry = False  # a refill found nothing: the batch is worked through

    def batch(self, lease: Lease) -> Lease | None:
        self.is_dry = False
        self.hands.resize(lease.limits.concurrency)
        return super().batch(lease)

    def goes_on(self, todo: "deque[Claimed]") -> bool:
        return bool(todo or self.in_flight)  # a stretch sees for itself whether to leave

    def stretch(self, lease: Lease, todo: "deque[Claimed]") -> Lease | None:
        """From one commit to the next; what is in flight stays so across it."""
        settlement = self.tools.commits.settlement(lease)
        self.tools.ended.append(settlement)
        until = self.tools.pace.begin()
        allowed = max(lease.in_hand - len(self.in_flight), 0)
        leaving = False
        while not (self._is_due(lease, todo, until, allowed) and len(settlement)):
            leaving = leaving or self.tools.must_leave()
            if leaving:
                self._withdraw(todo)
            else:
                allowed -= self._begin(todo, allowed)
            if not self.in_flight:
                break
            self._collect(settlement, until)
        self.tools.pace.learn(len(settlement))
        in_flight = list(self.in_flight.values())
        refill = self._wants_refill(lease, todo) and not leaving
        stretch = Stretch(settlement, todo, in_flight, leaving=leaving, refill=refill)
        return self._write(lease, stretch)

    def _is_due(self, lease: Lease, todo: "deque[Claimed]", until: float, allowed: int) -> bool:
        """Whether to commit now: time is up, more is needed, or the marker's end is near."""
        if time.monotonic() >= until or self._wants_refill(lease, todo):
            return True
        waiting = len(self.in_flight) - lease.limits.concurrency
        return bool(todo) and not allowed and waiting <= self.tools.pace.ahead()

    def _wants_refill(self, lease: Lease, todo: "deque[Claimed]") -> bool:
        """Whether hands might run out of work during a commit."""
        limits = lease.limits
        enough = min(limits.concurrency + self.tools.pace.ahead(), limits.batch_size // 2)
        left = len(todo) + len(self.in_flight)
        return not self.is_dry and left <= enough and self.tools.wants_more()

    def _write(self, lease: Lease, stretch: Stretch) -> Lease | None:
        before = lease.size
        following = self.write(lease, stretch)
        self.is_dry = self.is_dry or (stretch.refill and lease.size == before)
        self.hands.resize(lease.limits.concurrency)
        return following

    def _begin(self, todo: "deque[Claimed]", allowed: int) -> int:
        """Hand over as many as the marker allows; how many."""
        given = [todo.popleft() for _ in range(min(allowed, len(todo)))]
        if given:
            self.in_flight.update((claimed.ref, claimed) for claimed in given)
            self.hands.begin(given)
        return len(given)

    def _withdraw(self, todo: "deque[Claimed]") -> None:
        """What the hands have not begun is to do again."""
        for claimed in reversed(self.hands.withdraw()):
            del self.in_flight[claimed.ref]
            todo.appendleft(claimed)

    def _collect(self, settlement: Settlement, until: float) -> None:
        wait = min(max(until - time.monotonic(), 0.001), LOOK_SECONDS)
        for claimed, part in self.hands.collect(wait):
            del self.in_flight[claimed.ref]
            del self.tools.desk.begun[claimed.ref]
            settlement.done += part.done
            settlement.others += part.others
            settlement.outgoing += part.outgoing

    def close(self) -> None:
        self.hands.close()


LOOK_SECONDS = 0.05


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
