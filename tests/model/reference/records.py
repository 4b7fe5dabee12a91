"""The records: what waits, and in which order it is taken."""

from datetime import datetime

from tests.model.reference.things import Cycle, Hand, Row, Shape


class Records:
    """A processor and all that hangs on it."""

    def __init__(self, shape: Shape, now: datetime) -> None:
        self.shape = shape
        self.now = now
        self.state = "stopped"
        self.due: datetime | None = None
        self.slot: datetime | None = None
        self.gate = now
        self.rows: dict[str, Row] = {}
        self.cycles: list[Cycle] = []
        self.hands: list[Hand] = []
        self.told: list[tuple[str, str]] = []  # lines of history: key, outcome

    def note(self, row: Row) -> None:
        """From now on the record is one of ours."""
        row.noted = row.noted or 1 + max(each.noted for each in self.rows.values())
        row.remembered = True

    def reset(self, key: str) -> None:
        """The owner of a table sets a finished row to new again: a new request."""
        row = self.rows[key]
        row.state, row.word, row.remembered = "ready", "NEW", False

    def waits_as_new(self, row: Row) -> bool:
        """Whether only the user's table says that it waits."""
        return not self.shape.is_inbox and row.state == "ready" and not row.remembered

    def ordinary(self, cycle: Cycle) -> list[Row]:
        """What a claim may take, in the order in which it takes it."""
        waiting, new = [], []
        for row in self.rows.values():
            inside = cycle.ceiling is None or row.place <= cycle.ceiling
            if row.state != "ready" or row.alone:
                continue
            if self.waits_as_new(row):
                if inside and not cycle.ledger_only:
                    new.append(row)
            elif row.available_at <= self.now and self.may_take(row, cycle, inside=inside):
                waiting.append(row)
        return sorted(waiting, key=lambda r: r.order) + sorted(new, key=lambda r: r.place)

    def may_take(self, row: Row, cycle: Cycle, *, inside: bool) -> bool:
        """Within the cycle's bounds; what is remembered of a table is bounded by time alone."""
        return not self.shape.is_inbox or (inside and (row.seen or not cycle.ledger_only))

    def alone(self) -> list[Row]:
        """What is under suspicion and due."""
        rows = [r for r in self.rows.values() if r.state == "ready" and r.alone]
        return sorted((r for r in rows if r.available_at <= self.now), key=lambda r: r.order[1:])
