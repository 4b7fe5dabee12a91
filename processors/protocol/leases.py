"""A batch in a worker's hands: heartbeat, commit and close, each behind the fence of its token.

The hot path. Outcomes and counters are one commit, in set-based statements, and so is the claim of
the next batch (`claiming`); see docs/safety.md for why each step is where it is.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from processors import failpoints
from processors.clock import as_utc, database_now
from processors.handlers.outcomes import Kind
from processors.models import Batch
from processors.protocol.gate import Limits
from processors.sources.base import Claimed, Ref, Settlement, Source
from processors.sources.dialect import Dialect
from processors.states import COUNTERS, BatchState, CloseReason


class LeaseLost(Exception):
    """The batch was given to somebody else: whatever its late worker still holds is void."""


# Only the holder of the token may write. Time is not tested: late but not replaced is still the
# owner.
HOLDER = "id = %s AND token = %s AND state = 'leased'"

HEARTBEAT = f"""
UPDATE processors_batch
   SET heartbeats = heartbeats + 1, lease_until = %s
 WHERE {HOLDER}
"""  # noqa: S608 - made of constants

# What the fence asks of its row; see `as_known`. The number of outcomes so far is part of it: a
# commit whose answer was lost with the connection is not made twice.
FENCED = f"""{HOLDER}
   AND done + skipped + retried + dead + parked + crashed = %s
"""

# The fence: counts outcomes and moves the marker, and holds the row until the commit.
FENCE = """
UPDATE processors_batch
   SET heartbeats = heartbeats + 1, lease_until = {until}, remaining = %s, settled_to = %s,
       in_hand = %s,
       done = done + %s, skipped = skipped + %s, retried = retried + %s, dead = dead + %s,
       parked = parked + %s, crashed = crashed + %s, released = released + %s,
       state = %s, close_reason = %s, closed_at = {closed_at}
 WHERE {fenced}"""
# The time is the database's own, at the moment of the write; an SQLite file has none.
FENCE_POSTGRES = (
    FENCE.format(
        until="clock_timestamp() + make_interval(secs => %s)",
        closed_at="CASE WHEN %s THEN clock_timestamp() END",
        fenced=FENCED,
    )
    + "RETURNING clock_timestamp()"
)
FENCE_SQLITE = FENCE.format(until="%s", closed_at="%s", fenced=FENCED)

COUNTED: tuple[Kind, ...] = ("done", "skipped", "retry", "dead", "parked", "crashed")


@dataclass(slots=True)
class Lease:
    """A batch in this worker's hands; `claimed` in the order to treat them."""

    batch_id: int
    run_id: int
    token: str
    slot: int
    owner: str
    limits: Limits
    claimed: list[Claimed] = field(default_factory=list)
    in_hand: int = 0
    # How many outcomes are committed; the keys its row lists; whether those without an outcome
    # are still the last of them.
    settled: int = 0
    keys: list[Ref] = field(default_factory=list)
    in_order: bool = True
    # When a blackout begins, on this process's clock: what is not begun by then is given back.
    ends_at: float | None = None
    # Its next commit ends it, or did: a heartbeat that finds it closed proves no loss.
    closing: bool = False

    @property
    def size(self) -> int:
        """How many records were claimed into it."""
        return len(self.keys)


def lease_end(now: datetime) -> datetime:
    """Until when a lease taken or renewed now is good."""
    return now + timedelta(seconds=settings.LEASE_SECONDS)


def token_value(token: str) -> str:
    """A token as its column keeps it: SQLite has no uuid type, Django writes bare hex there."""
    return token if connection.vendor == "postgresql" else token.replace("-", "")


def heartbeat(lease: Lease, now: datetime) -> None:
    """Renew the lease. Raises LeaseLost."""
    dialect = Dialect("default")
    until = dialect.moment(lease_end(now))
    if not dialect.run(HEARTBEAT, [until, lease.batch_id, token_value(lease.token)]):
        raise LeaseLost(f"batch {lease.batch_id} belongs to somebody else now")


@dataclass(slots=True)
class Step:
    """What one commit changes: outcomes, and what is left of the batch.

    What is left: all keys from `settled_to` on or, where that is None, `remaining`; the first
    `in_hand` of it may be begun next. With `close`, `remaining` is given back instead.
    """

    settlement: Settlement
    remaining: Sequence[Ref] = ()
    settled_to: int | None = None
    in_hand: int = 0
    close: CloseReason | None = None


def commit_inside(source: Source, lease: Lease, step: Step, *, now: datetime | None = None) -> None:
    """T3 to T5 in one: fence, outcomes, counters, marker or close. In a transaction.

    `now`: the time that a claim in the same transaction goes by, so that it finds what is due.
    Raises LeaseLost, or SourceChanged where rows of the user's table were changed.
    """
    written_at = fence(lease, step)
    failpoints.reach("outcome.after_fence")
    step.settlement.now = now or written_at
    source.settle(step.settlement)
    if step.close and step.remaining:
        source.release(lease.batch_id, step.remaining)
        if source.has_position:  # what was given back lies behind the position
            Dialect("default").run(
                "UPDATE processors_run SET position = NULL WHERE id = %s", [lease.run_id]
            )
    if step.close:
        failpoints.reach("close.before_commit")


def fence(lease: Lease, step: Step) -> datetime:
    """Count, mark, and hold the batch's row until the commit; the time of the write.

    Raises LeaseLost.
    """
    dialect, closing = Dialect("default"), step.close is not None
    in_order = closing or step.settled_to is not None
    values: list[Any] = [
        None if in_order else json.dumps(list(step.remaining)),
        lease.size if closing else step.settled_to or 0,
        0 if closing else step.in_hand,
        *counts(step.settlement),
        len(step.remaining) if closing else 0,
        BatchState.CLOSED if closing else BatchState.LEASED,
        step.close or "",
    ]
    known = as_known(lease)
    if dialect.is_postgres:
        found = dialect.fetch(FENCE_POSTGRES, [settings.LEASE_SECONDS, *values, closing, *known])
        if found:
            return as_utc(found[0][0])
    else:
        now = database_now()
        until, closed_at = dialect.moment(lease_end(now)), dialect.moment(now) if closing else None
        if dialect.run(FENCE_SQLITE, [until, *values, closed_at, *known]):
            return now
    raise LeaseLost(f"batch {lease.batch_id} belongs to somebody else now")


def as_known(lease: Lease) -> list[object]:
    """What FENCED compares: the batch, its token, and how many outcomes it has by our count."""
    return [lease.batch_id, token_value(lease.token), lease.settled]


def was_committed(lease: Lease, step: Step) -> bool:
    """Whether a step whose commit was not answered took effect all the same."""
    batch = Batch.objects.filter(pk=lease.batch_id, token=lease.token).first()
    if batch is None:
        return False
    outcomes = sum(batch.counters[name] for name in COUNTERS if name not in ("claimed", "released"))
    closed = batch.state == BatchState.CLOSED
    landed = outcomes == lease.settled + len(step.settlement)
    return bool(landed and closed == (step.close is not None))


def counts(settlement: Settlement) -> list[int]:
    """Outcomes by kind, in the order of COUNTED."""
    if not settlement.others:
        return [len(settlement.done), 0, 0, 0, 0, 0]
    kinds = [outcome.kind for _, outcome in settlement.others]
    numbers = [kinds.count(kind) for kind in COUNTED]
    numbers[0] += len(settlement.done)
    return numbers


def give_back(source: Source, lease: Lease, *, now: datetime) -> None:
    """Close a batch whose table cannot be reached: nothing was begun, nobody is to blame."""
    rest = [claimed.ref for claimed in lease.claimed]
    with transaction.atomic(durable=True):
        empty = Settlement(lease.batch_id, lease.run_id, lease.owner, now)
        commit_inside(source, lease, Step(empty, rest, close=CloseReason.RELEASED))


def void(source: Source, lease: Lease, refs: Sequence[Ref], *, now: datetime) -> None:
    """Give back what the second look at a foreign table no longer found waiting."""
    with transaction.atomic(durable=True):
        rest = [claimed.ref for claimed in lease.claimed]
        empty = Settlement(lease.batch_id, lease.run_id, lease.owner, now)
        fence(lease, Step(empty, rest, in_hand=min(lease.in_hand, len(rest))))
        Batch.objects.filter(pk=lease.batch_id).update(released=len(refs))
        source.release(lease.batch_id, refs)
    lease.in_order = False
