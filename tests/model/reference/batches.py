"""Claim, heartbeat and commit."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from tests.model.reference.cycles import Cycles
from tests.model.reference.things import LEASE, Cycle, Hand, Row

OUTCOME_COUNTER = {"done": "done", "skipped": "skipped", "retry": "retried", "dead": "dead"}
STATE_AFTER = {"skipped": "skipped", "dead": "dead", "parked": "parked"}
WORD_AFTER = {"skipped": "DONE", "dead": "ERROR", "parked": "ERROR"}


class Batches(Cycles):
    """What workers hold."""

    def may_claim(self, cycle: Cycle, slot: int | None = None) -> list[Row]:
        """The longest claim there may be, in order; empty where there is none."""
        taken = {hand.slot for hand in self.open_hands(cycle)}
        is_full = slot is None and len(taken) >= self.shape.parallelism
        size = min(self.shape.batch_size, self.room(cycle))
        if cycle.state != "running" or is_full or size < 1:
            return []
        return self.ordinary(cycle)[:size] or self.alone()[:1]

    def claim(
        self, cycle: Cycle, owner: str, keys: Sequence[str], marked: int, slot: int | None = None
    ) -> Hand:
        taken = {hand.slot for hand in self.open_hands(cycle)}
        if slot is None:
            slot = next(n for n in range(self.shape.parallelism) if n not in taken)
        rows = [self.rows[key] for key in keys]
        for row in rows:
            if self.waits_as_new(row):
                row.attempts = row.crashes = 0
                row.alone, row.remembered = False, row.noted > 0
            row.state, row.word = "claimed", "TAKEN"
        hand = Hand(cycle, owner, slot, rows, min(marked, len(rows)), self.lease_end)
        hand.count("claimed", len(rows))
        self.hands.append(hand)
        return hand

    @property
    def lease_end(self) -> datetime:
        return self.now + timedelta(seconds=LEASE)

    def heartbeat(self, hand: Hand) -> bool:
        if hand.closed:
            return False
        hand.heartbeats += 1
        hand.lease_until = self.lease_end
        return True

    def commit(
        self, hand: Hand, outcomes: dict[str, tuple[str, float]], marked: int, close: str
    ) -> bool:
        """`outcomes`: key → kind and wait; with `close` the rest is given back."""
        if not self.heartbeat(hand):
            return False
        for key, (kind, wait) in outcomes.items():
            row = self.rows[key]
            hand.rest.remove(row)
            hand.count(OUTCOME_COUNTER.get(kind, kind))
            self.settle(row, kind, wait)
        hand.marked = min(marked, len(hand.rest))
        if close:
            hand.closed = close
            self.release(hand, hand.rest)
            hand.rest = []
        return True

    def settle(self, row: Row, kind: str, wait: float) -> None:
        if kind == "done":
            row.state, row.word, row.handled, row.alone = "done", "DONE", row.handled + 1, False
            return
        self.turn(row, kind)
        row.attempts += kind in ("retry", "dead")
        row.available_at = self.now + timedelta(seconds=wait)
        row.seen = row.seen or kind != "skipped"
        row.alone = False
        self.told.append((row.key, kind))

    def turn(self, row: Row, kind: str) -> None:
        """The state and the word after anything but a plain success."""
        row.state = STATE_AFTER.get(kind, "ready")
        row.word = WORD_AFTER.get(kind, "TAKEN")
        self.note(row)

    def release(self, hand: Hand, rows: Sequence[Row]) -> None:
        hand.count("released", len(rows))
        for row in rows:
            row.state = "ready"
            row.word = "TAKEN" if row.remembered else "NEW"
