"""What the tick does, and what becomes of batches whose workers are silent or dead."""

from datetime import timedelta

from tests.model.reference.batches import Batches
from tests.model.reference.things import (
    LEASE,
    LONGEST,
    LOOK_AGAIN,
    MAX_CRASHES,
    PAUSE,
    SUSPECT_WAIT,
    Hand,
    Row,
)


class Ticked(Batches):
    """The tick looks after it."""

    def take_back(self, hand: Hand, reason: str) -> None:
        suspects, innocent = hand.rest[: hand.marked], hand.rest[hand.marked :]
        hand.closed, hand.rest = reason, []
        for row in suspects:
            self.suspect(hand, row)
        self.release(hand, innocent)

    def suspect(self, hand: Hand, row: Row) -> None:
        row.crashes += 1
        kind = "dead" if row.crashes >= MAX_CRASHES else "crashed"
        kind = "parked" if self.shape.effects == "unrepeatable" else kind
        wait = SUSPECT_WAIT * row.crashes if row.crashes > 1 else 0
        self.turn(row, kind)
        row.alone, row.seen = row.state == "ready", True
        row.available_at = self.now + timedelta(seconds=wait)
        hand.count(kind)
        self.told.append((row.key, kind))

    def tick(self) -> None:
        self.begin_due()
        gap = timedelta(seconds=LEASE / 4)
        if self.gate <= self.now - gap or self.gate > self.now + gap:
            self.gate = self.now
            self.rearm()
            self.reap()
        if self.active:
            self.end_cycle(self.active)

    def rearm(self) -> None:
        """A time further ahead than it is ever set was set before the clock went back."""
        has_pause = self.state == "started" and self.shape.trigger in ("interval", "arrival")
        if has_pause and self.slot and self.slot > self.now + timedelta(seconds=2 * LOOK_AGAIN):
            self.slot = self.due = self.now + timedelta(seconds=PAUSE)

    def reap(self) -> None:
        for hand in self.open_hands():
            if self.is_doubtful(hand) and hand.struck == hand.heartbeats:
                self.take_back(hand, "reaped")
        for hand in self.open_hands():
            if self.is_doubtful(hand):
                hand.struck = hand.heartbeats

    def is_doubtful(self, hand: Hand) -> bool:
        longest = self.now + timedelta(seconds=LONGEST)
        return not self.now <= hand.lease_until <= longest

    def take_from_dead(self, owner: str) -> None:
        for hand in self.open_hands():
            if hand.owner == owner:
                self.take_back(hand, "reaped")
