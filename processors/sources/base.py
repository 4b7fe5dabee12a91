"""The contract of a source, and the plain values that pass through it.

`claim`, `settle` and `release` run inside the transaction of the batch they belong to; where the
records live in another database, `confirm` and `publish_outcomes` run after its commit.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from processors.handlers.outcomes import Outcome

Ref = int | str
"""How a source names a record in its batch: an inbox by the row's id, a table by its key."""


class SourceTrouble(Exception):
    """A source cannot be used as it is defined; the message says what to do."""


class SourceChanged(Exception):
    """Somebody changed claimed rows of the user's table; `refs` are those rows."""

    def __init__(self, refs: Sequence[Ref]) -> None:
        self.refs = list(refs)
        super().__init__(f"{len(self.refs)} claimed rows were changed by somebody else")


@dataclass(slots=True)
class Claimed:
    """A record in a worker's hands."""

    ref: Ref
    key: str
    payload: dict[str, Any]
    visit: int
    attempts: int = 0
    crashes: int = 0
    record_id: int | None = None
    is_expired: bool = False
    # Whether an earlier try may have reached the outside, also one that a person had repeated.
    maybe_seen: bool = False

    @property
    def number(self) -> int:
        """Which try this is, counting from 1."""
        return self.attempts + self.crashes + 1


@dataclass(frozen=True, slots=True)
class Pick:
    """What a claim asks for: at most `size` records for batch `batch_id`, at `now`.

    `ceiling` bounds the cycle: nothing that arrived after its start. With `alone`, one record
    that is under suspicion. With `ledger_only`, nothing but what waits for another try.
    """

    batch_id: int
    size: int
    now: datetime
    ceiling: str | None = None
    position: str | None = None
    ledger_only: bool = False


@dataclass(slots=True)
class Settlement:
    """Outcomes that are written together; `outgoing`: what was published, each by its record."""

    batch_id: int
    run_id: int
    owner: str
    now: datetime
    done: list[tuple[Claimed, Any]] = field(default_factory=list)
    others: list[tuple[Claimed, Outcome]] = field(default_factory=list)
    outgoing: list[tuple[Claimed, Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.done) + len(self.others)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a new cycle may take: see Pick.ceiling; `limit` records where no ceiling fits.

    `expected` is how many wait at its start, None where that would be long to count.
    """

    ceiling: str | None
    limit: int | None
    expected: int | None


class Source(ABC):
    """Where a processor's records come from."""

    alias: str = "default"
    # Whether records live elsewhere: a run's claims then come one after the other, each from
    # where the last ended, and are looked at again after their commit.
    has_position = False
    position: str | None = None

    def __init__(self, processor_id: int, definition: Mapping[str, Any]) -> None:
        self.processor_id = processor_id
        self.definition = definition

    @abstractmethod
    def claim(self, pick: Pick) -> list[Claimed]:
        """Mark up to `pick.size` records as ours and return them in the order to treat them."""

    @abstractmethod
    def claim_alone(self, pick: Pick) -> list[Claimed]:
        """The same for one record under suspicion, which must travel alone."""

    def claim_statement(self) -> str | None:
        """The same as `claim` as a part of a larger statement; None where it cannot be one.

        Its marks: processor, time, ceiling, whether what is new is welcome, size twice, batch.
        """
        return None

    def claimed_from(self, rows: Sequence[Sequence[Any]], now: datetime) -> list[Claimed]:
        """What a statement with `claim_statement` in it returned, in the order to treat them."""
        raise NotImplementedError

    @abstractmethod
    def claim_in_lanes(self, pick: Pick, rooms: Sequence[tuple[int, int]]) -> list[Claimed]:
        """Of records that were set aside up to so many of each lane, and `pick.size` in all."""

    @abstractmethod
    def set_aside(self, pick: Pick, found: Sequence[tuple[Claimed, int]]) -> None:
        """Leave what this batch has just claimed to wait, each record in its lane."""

    @abstractmethod
    def settle(self, settlement: Settlement) -> None:
        """Write outcomes. Raises SourceChanged, having written nothing that may stay."""

    @abstractmethod
    def release(self, batch_id: int, refs: Sequence[Ref]) -> None:
        """Give back claimed records that were never begun, without a mark on them."""

    @abstractmethod
    def in_hand(self, batch_id: int, refs: Sequence[Ref]) -> list[Claimed]:
        """What a lost worker had in hand, without payloads."""

    @abstractmethod
    def suspect(self, settlement: Settlement) -> None:
        """Note that a worker died with these in hand (`others`, each with its outcome)."""

    @abstractmethod
    def bounds(self) -> Bounds:
        """What a cycle that begins now may take."""

    @abstractmethod
    def has_claimable(self, pick: Pick) -> bool:
        """Whether a claim would find anything, looked at without skipping locked rows."""

    @abstractmethod
    def backlog(self, cap: int) -> int:
        """How many records wait, counted up to `cap`."""

    def settle_one(
        self, claimed: Claimed, result: Any, batch_id: int
    ) -> tuple[str, list[Any]] | None:
        """One UPDATE, ending in its condition, that settles a plain success; on Postgres only.

        None where more is to be written. It must hit its row, or nothing may stay.
        """
        return None

    def confirm(self, claimed: list[Claimed]) -> list[Claimed]:
        """After the claim's commit: those that are still to be treated."""
        return claimed

    def publish_outcomes(self, settlement: Settlement) -> None:
        """After the outcomes' commit: tell a source that lives elsewhere."""

    def changed(self, settlement: Settlement) -> list[Ref]:
        """Before the outcomes' commit: rows elsewhere that their owner changed meanwhile."""
        return []

    def reconcile(self, run_id: int) -> int:
        """Tell a source elsewhere what a run's batches left untold; how many, 0 when all is told.

        So many at a time and no more; told twice is told once.
        """
        return 0

    def sweep(self) -> int:
        """Give back rows elsewhere that are in hand of nobody; how many, of those looked at."""
        return 0

    def restore(self, record_key: str) -> None:
        """A person wants a dead letter tried again: bring the user's row in line with that."""

    def discard(self, record_key: str) -> None:
        """A person discarded a dead letter: bring the user's row in line with that."""

    def complete(self, record_key: str) -> None:
        """A person found out that a doubtful record was done: say so in the user's row."""

    def reopen(self, record_key: str) -> bool:
        """A person wants a finished row handled anew: set it back to new.

        Whether that was all; False where the record's own state has to be moved.
        """
        return False

    def look_up(self, record_key: str) -> dict[str, Any] | None:
        """The payload as the user's row has it now; None where there is no such row."""
        return None
