"""The protocol once more, in plain Python: what should happen, without SQL, locks or tokens.

Every act has the name it has in `world`, and answers what the real one should answer. Written
from docs/safety.md and docs/states.md, and meant to be read beside them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

LEASE = 4.0  # seconds
PAUSE = 5
LOOK_AGAIN = 5
LONGEST = 4 * LEASE  # a lease that ends later was taken before the clock went back
MAX_CRASHES = 3
SUSPECT_WAIT = 10


@dataclass(frozen=True)
class Shape:
    """What kind of processor a story is about."""

    source: str = "inbox"
    trigger: str = "interval"
    effects: str = "database"
    parallelism: int = 2
    batch_size: int = 3
    per_cycle: int | None = None

    @property
    def is_inbox(self) -> bool:
        return self.source == "inbox"


@dataclass
class Row:
    """A record; of a table's, `remembered` says whether we keep one of our own."""

    key: str
    place: int
    available_at: datetime
    remembered: bool
    priority: int = 0
    state: str = "ready"
    attempts: int = 0
    crashes: int = 0
    alone: bool = False
    seen: bool = False
    word: str = "NEW"  # what the user's table says
    noted: int = 0  # its place among what we remember
    handled: int = 0  # how often its effect took place

    @property
    def order(self) -> tuple[int, datetime, int]:
        return -self.priority, self.available_at, self.noted


@dataclass
class Cycle:
    """A run."""

    seq: int
    trigger: str
    ceiling: int | None
    limit: int | None
    ledger_only: bool
    state: str = "running"

    @property
    def has_ended(self) -> bool:
        return self.state in ("finished", "stopped")


@dataclass
class Hand:
    """A batch; `rest` has no outcome yet, its first `marked` may have been begun."""

    cycle: Cycle
    owner: str
    slot: int
    rest: list[Row]
    marked: int
    lease_until: datetime
    heartbeats: int = 0
    struck: int | None = None
    closed: str = ""
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, name: str, number: int = 1) -> None:
        self.counts[name] = self.counts.get(name, 0) + number


OUTCOME_COUNTER = {"done": "done", "skipped": "skipped", "retry": "retried", "dead": "dead"}
STATE_AFTER = {"skipped": "skipped", "dead": "dead", "parked": "parked"}
WORD_AFTER = {"skipped": "DONE", "dead": "ERROR", "parked": "ERROR"}


class Reference:
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

    # Records

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

    # Cycles

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

    # Claim, heartbeat, commit

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

    # Lost workers

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

    # Operators; each answers whether it was possible

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
        if self.active:
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
