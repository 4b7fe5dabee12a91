"""What operators do; each act answers whether it was possible."""

from tests.model.reference.lost_workers import Ticked
from tests.model.reference.things import Row


class Reference(Ticked):
    """A processor, its workers and its operators."""

    def start(self) -> bool:
        if self.state == "started":
            return False
        if self.state == "paused":
            return self.resume()
        self.state, self.due = "started", self.now
        if self.active and self.active.state in ("pausing", "paused"):
            self.active.state = "running"
        else:
            self.first_cycle()
        return True

    def first_cycle(self) -> None:
        self.slot = self.due = self.now
        self.begin_due()

    def stop(self) -> bool:
        cycle = self.active
        if self.state == "stopped" and cycle is None:
            return False
        self.state, self.due = "stopped", None
        if cycle is not None and cycle.state != "stopping":
            cycle.state = "stopping"
            self.end_cycle(cycle)
        return True

    def pause(self) -> bool:
        cycle = self.active
        is_running = cycle is not None and cycle.state == "running"
        if self.state != "started" and not is_running:
            return False
        if self.state == "started":
            self.state, self.due = "paused", None
        if cycle is not None and is_running:
            cycle.state = "pausing"
            self.end_cycle(cycle)
        return True

    def resume(self) -> bool:
        cycle = self.active
        waits = cycle is not None and cycle.state in ("pausing", "paused")
        if self.state != "paused" and not waits:
            return False
        if self.state == "paused":
            self.state, self.due = "started", self.now
        if cycle is None:
            self.first_cycle()
        elif waits:
            cycle.state = "running"
        return True

    def run_once(self) -> bool:
        if self.active or self.state == "paused":
            return False
        self.begin(self.new_cycle("manual"))
        return True

    def force_stop(self) -> bool:
        cycle = self.active
        if cycle is None:
            return False
        self.state, self.due, cycle.state = "stopped", None, "stopping"
        for hand in self.open_hands(cycle):
            self.take_back(hand, "forced")
        self.end_cycle(cycle)
        return True

    def retry_dead(self) -> int:
        failed = self.failed_rows()
        for row in failed:
            row.state, row.attempts, row.crashes = "ready", 0, 0
            row.alone, row.seen, row.available_at, row.word = False, True, self.now, "TAKEN"
        if failed and self.state == "started":
            if self.shape.trigger != "interval":
                self.due = self.now
            self.begin_due()
        return len(failed)

    def discard_dead(self) -> int:
        failed = self.failed_rows()
        for row in failed:
            row.state = "skipped"
        return len(failed)

    def failed_rows(self) -> list[Row]:
        return [row for row in self.rows.values() if row.state in ("dead", "parked")]
