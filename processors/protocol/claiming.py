"""Claim a batch, T2: through the gate, within the limits, from the source, into a lease."""

import json
import time
import uuid
from datetime import datetime

from django.db import transaction

from processors import failpoints
from processors.blackouts import closes_at
from processors.models import Batch
from processors.protocol.allowances import Purse, closed_now
from processors.protocol.book import Book
from processors.protocol.gate import Ask, Gate, pass_gate
from processors.protocol.leases import Lease, lease_end, token_value
from processors.sources.base import Claimed, Pick, Source
from processors.sources.dialect import Dialect

# Asked at the first claim of every shift, so without the ORM's cost.
TAKEN_SLOTS = "SELECT slot FROM processors_batch WHERE run_id = %s AND state = 'leased'"

OPEN_BATCH = """
INSERT INTO processors_batch
       (id, run_id, token, slot, state, close_reason, owner, heartbeats, lease_until, keys,
        settled_to, in_hand, claimed, done, skipped, retried, dead, parked, crashed, released,
        opened_at)
SELECT %s, %s, %s, %s, 'leased', '', %s, 0, %s, %s, 0, %s, %s, 0, 0, 0, 0, 0, 0, 0, %s
"""


def claim(source: Source, ask: Ask) -> Lease | None:
    """T2: claim a batch; None when the run is not open, full, or has nothing to claim.

    `ask.held` says where a rate limit or a blackout lets nothing pass.
    """
    with transaction.atomic(durable=True):
        gate = pass_gate(ask, alone=ask.slot is None or source.has_position)
        return claim_inside(source, ask, gate)


def claim_inside(source: Source, ask: Ask, gate: Gate | None) -> Lease | None:
    """The claim itself, in the transaction that passed the gate."""
    if gate is None or not gate.is_open:
        return None
    ask.held = closed_now(gate.limits.blackouts, gate.now)
    if ask.held is not None:
        return None
    slot = ask.slot if ask.slot is not None else free_slot(ask.run_id, gate.limits.parallelism)
    if slot is None or slot >= gate.limits.parallelism:
        return None
    size = allowed(ask.run_id, gate)
    if size < 1:
        return None
    taken = take_within(source, ask, gate, size)
    if not taken:
        return None
    lease = Lease(gate.batch_id, ask.run_id, str(uuid.uuid4()), slot, ask.owner, gate.limits)
    lease.claimed, lease.keys = taken, [claimed.ref for claimed in taken]
    lease.in_hand = min(max(ask.hand, gate.limits.concurrency), len(taken))
    closing = closes_at(gate.limits.blackouts, gate.now)
    if closing is not None:
        lease.ends_at = time.monotonic() + (closing - gate.now).total_seconds()
    open_batch(lease, gate.now)
    failpoints.reach("claim.before_commit")
    return lease


def free_slot(run_id: int, parallelism: int) -> int | None:
    """The lowest slot that no open batch of the run holds, None where all are taken."""
    taken = {slot for (slot,) in Dialect("default").fetch(TAKEN_SLOTS, [run_id])}
    return next((slot for slot in range(parallelism) if slot not in taken), None)


def allowed(run_id: int, gate: Gate) -> int:
    """How many records this claim may take; exact only where the gate is held alone."""
    if gate.claim_limit is None:
        return gate.limits.batch_size
    sums = Batch.objects.filter(run_id=run_id).counters()
    taken = sums["claimed"] - sums["released"] - sums["crashed"]
    return min(gate.limits.batch_size, gate.claim_limit - taken)


def take_within(source: Source, ask: Ask, gate: Gate, size: int) -> list[Claimed]:
    """No more than the rate limits allow."""
    if not gate.limits.rates:
        return take(source, ask, gate, size)
    purse = Purse(gate.limits.processor_id, gate.limits.rates)
    ask.held = purse.held()
    if ask.held is not None:
        return []
    room = min(size, purse.room(size))
    # A run that began with a table elsewhere is claimed before its rows, and so keys, are read.
    if gate.limits.key_rates and not source.has_position:
        claimed = take_by_key(source, ask, gate, room, now=purse.now)
    else:
        claimed = take(source, ask, gate, room)
    if claimed:
        purse.spend(len(claimed))
    return claimed


def take_by_key(source: Source, ask: Ask, gate: Gate, room: int, *, now: datetime) -> list[Claimed]:
    """No more of a key than its limits allow.

    And no more than is begun soon: a record counts when it is claimed, and what then waits behind
    others would begin together with what is claimed after it.
    """
    book = Book(gate.limits.processor_id, gate.limits.key_rates, now)
    soon = min(room, max(ask.hand, gate.limits.concurrency))
    claimed = book.take(source, pick_of(gate, soon, ledger_only=ask.ledger_only))
    ask.held = None if claimed else book.held()
    return claimed


def take(source: Source, ask: Ask, gate: Gate, size: int) -> list[Claimed]:
    """Ordinary records, else one under suspicion; moves a foreign table's position."""
    pick = pick_of(gate, size, ledger_only=ask.ledger_only)
    claimed = source.claim(pick) or source.claim_alone(pick)
    if source.has_position and source.position != gate.position:
        Dialect("default").run(
            "UPDATE processors_run SET position = %s WHERE id = %s", [source.position, ask.run_id]
        )
    return claimed


def pick_of(gate: Gate, size: int, *, ledger_only: bool) -> Pick:
    """What a claim through this gate asks its source for."""
    return Pick(gate.batch_id, size, gate.now, gate.ceiling, gate.position, ledger_only=ledger_only)


def open_batch(lease: Lease, now: datetime) -> None:
    """The lease's row."""
    dialect = Dialect("default")
    values = [lease.batch_id, lease.run_id, token_value(lease.token), lease.slot, lease.owner]
    values += [dialect.moment(lease_end(now)), json.dumps(lease.keys)]
    values += [lease.in_hand, lease.size, dialect.moment(now)]
    dialect.run(OPEN_BATCH, values)
