"""Claim more into a batch that is open, before its worker's hands run out of work.

In the transaction of a commit of its outcomes, behind the fence and through the gate, as any
claim; the lease stays what it is. Not for a single record under suspicion, which travels alone.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from processors import failpoints
from processors.protocol.claiming import allowed
from processors.protocol.gate import Ask, Gate, Limits
from processors.protocol.leases import Lease
from processors.sources.base import Claimed, Pick, Ref, Source
from processors.sources.dialect import Dialect

MOST_KEYS = 5_000  # that a batch may list: each refill writes the list anew

# Add what was claimed and move the marker; the fence of the same transaction holds the row.
REFILL = """
UPDATE processors_batch
   SET keys = %s, claimed = claimed + %s, remaining = %s, in_hand = %s
 WHERE id = %s
"""


@dataclass(frozen=True)
class Refill:
    """What was claimed into a batch, what is left of it now, and the limits in force."""

    claimed: list[Claimed]
    remaining: Sequence[Ref]
    in_hand: int
    limits: Limits

    def enter(self, lease: Lease) -> None:
        """The lease as its row says after the commit."""
        lease.keys += [claimed.ref for claimed in self.claimed]
        lease.in_hand = self.in_hand
        lease.limits = self.limits


def claim_more(source: Source, lease: Lease, ask: Ask, gate: Gate, left: int) -> list[Claimed]:
    """Fill the batch up to its size, `left` records of which have no outcome yet.

    Nothing where a rate limit makes hands wait anyway.
    """
    limits = gate.limits
    if not gate.is_open or lease.slot >= limits.parallelism or source.has_position or limits.rates:
        return []
    room = min(limits.batch_size - left, MOST_KEYS - lease.size)
    size = min(room, allowed(ask.run_id, gate))
    if size < 1:
        return []
    pick = Pick(lease.batch_id, size, gate.now, gate.ceiling, ledger_only=ask.ledger_only)
    return each_once(source, lease, source.claim(pick))


def each_once(source: Source, lease: Lease, claimed: list[Claimed]) -> list[Claimed]:
    """A batch takes no record twice: its number names the request, and its keys the record."""
    known = set(lease.keys)
    again = [each.ref for each in claimed if each.ref in known]
    if again:
        source.release(lease.batch_id, again)
    return [each for each in claimed if each.ref not in known]


def write_refill(lease: Lease, refill: Refill) -> None:
    """In the row of the batch."""
    keys = [*lease.keys, *(claimed.ref for claimed in refill.claimed)]
    values = [json.dumps(keys), len(refill.claimed), json.dumps(list(refill.remaining))]
    Dialect("default").run(REFILL, [*values, refill.in_hand, lease.batch_id])
    failpoints.reach("claim.before_commit")
