"""What the reference speaks of: a processor's shape, its records, cycles and batches."""

from dataclasses import dataclass, field
from datetime import datetime

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
