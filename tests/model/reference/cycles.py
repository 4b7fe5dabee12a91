"""Cycles: when one begins, how much it may take, when it has ended."""

from datetime import datetime, timedelta

from tests.model.reference.records import Records
from tests.model.reference.things import LOOK_AGAIN, PAUSE, Cycle, Hand, Row


class Cycles(Records):
    """Of its runs, at most one is active."""

    @property
    def active(self) -> Cycle | None:
        return next((cycle for cycle in self.cycles if not cycle.has_ended), None)

    def open_hands(self, cycle: Cycle | None = None) -> list[Hand]:
        return [h for h in self.hands if not h.closed and cycle in (None, h.cycle)]

    def begin_due(self) -> bool:
        if self.state != "started" or self.active or self.due is None or self.due > self.now:
            return False
        kind = {"interval": "schedule", "manual": "manual", "arrival": "arrival"}
        trigger = kind[self.shape.trigger]
        if trigger != "arrival" and (self.slot is None or self.slot > self.now):
            trigger = "retry"
        cycle = self.new_cycle(trigger)
        if self.ordinary(cycle) or self.alone():
            self.begin(cycle)
            return True
        self.arm()
        return False

    def new_cycle(self, trigger: str) -> Cycle:
        top = max((row.place for row in self.rows.values()), default=-1)
        ceiling = None if trigger == "arrival" else top
        return Cycle(
            len(self.cycles) + 1, trigger, ceiling, self.shape.per_cycle, trigger == "retry"
        )

    def begin(self, cycle: Cycle) -> None:
        self.cycles.append(cycle)
        self.due = None

    def arm(self) -> None:
        pauses = {"interval": PAUSE, "arrival": LOOK_AGAIN}
        pause = pauses.get(self.shape.trigger)
        self.slot = None if pause is None else self.now + timedelta(seconds=pause)
        if self.state == "started":
            times = [self.slot, self.first_deferred()]
            if self.shape.trigger == "interval":
                times = [self.slot]
            self.due = min((time for time in times if time is not None), default=None)

    def first_deferred(self) -> datetime | None:
        """When something that waits for another try (on arrival: anything) may be tried."""
        waiting = [
            row.available_at
            for row in self.rows.values()
            if row.state == "ready"
            and not self.waits_as_new(row)
            and (row.seen or self.shape.trigger == "arrival")
        ]
        return min(waiting, default=None)

    def end_cycle(self, cycle: Cycle) -> bool:
        if cycle.has_ended or self.open_hands(cycle):
            return False
        if cycle.state == "pausing":
            cycle.state = "paused"
            return True
        if cycle.state == "stopping":
            cycle.state = "stopped"
        elif cycle.state == "running" and not self.has_more(cycle):
            cycle.state = "finished"
        else:
            return False
        self.arm()
        return True

    def has_more(self, cycle: Cycle) -> bool:
        return self.room(cycle) > 0 and bool(self.ordinary(cycle) or self.alone())

    def room(self, cycle: Cycle) -> int:
        """How many records this cycle may still claim."""
        if cycle.limit is None:
            return 1_000_000
        sums = [h.counts for h in self.hands if h.cycle is cycle]
        taken = sum(c.get("claimed", 0) - c.get("released", 0) - c.get("crashed", 0) for c in sums)
        return cycle.limit - taken

    def add(self, key: str, priority: int = 0, delay: float = 0) -> None:
        later = self.now + timedelta(seconds=delay)
        row = self.rows[key] = Row(key, len(self.rows) + 1, later, False, priority)
        if self.shape.is_inbox:
            self.note(row)
        if self.shape.trigger == "arrival" and self.shape.is_inbox and self.state == "started":
            self.take_up()

    def take_up(self) -> None:
        """What arrives is taken up at once."""
        if self.active is None:
            self.due = self.now if self.due else None
            self.begin_due()
