"""Treat several records at once, in threads or coroutines, beside the thread that commits."""

import time
from collections import deque

from processors.cycle.commits import Stretch
from processors.cycle.hands import Hands
from processors.cycle.way import Tools, Way
from processors.protocol.leases import Lease
from processors.sources.base import Claimed, Ref, Settlement

LOOK_SECONDS = 0.05
AHEAD_OF_HANDS = 4


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
                allowed -= self._begin(todo, min(allowed, self._room(lease)))
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

    def _room(self, lease: Lease) -> int:
        """How many the hands may be given before we have seen what became of the others.

        Enough to keep them busy while we commit, and few enough that a handler which fails
        everything is stopped in time.
        """
        enough = AHEAD_OF_HANDS * lease.limits.concurrency + self.tools.pace.ahead()
        return max(0, enough - len(self.in_flight))

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
            settlement.outgoing += part.outgoing  # first: see `so_far`
            settlement.done += part.done
            settlement.others += part.others

    def close(self) -> None:
        self.hands.close()
