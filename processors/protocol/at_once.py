"""Commit the plain success of one record in a single statement: a round trip instead of four.

For handlers that need a commit for each record. It says what `leases.commit_inside` says of such
a step, fence first; whatever stands in its way undoes all of it, and the step is then written
in a transaction, which tells what it was.
"""

import json

from django.conf import settings
from django.db import DataError

from processors import failpoints
from processors.clock import as_utc
from processors.protocol.leases import FENCED, Lease, LeaseLost, Step, as_known
from processors.sources.base import Source
from processors.sources.prepared import Unprepared, prepared

# The outcome follows the fence, because it asks for its row. Where the fence holds and the
# outcome finds nothing, the division fails, and with it the statement.
AT_ONCE = """
WITH fence AS (
     UPDATE processors_batch
        SET heartbeats = heartbeats + 1,
            lease_until = clock_timestamp() + make_interval(secs => %s),
            remaining = %s, settled_to = %s, in_hand = %s, done = done + 1
      WHERE {fenced}
  RETURNING clock_timestamp() AS moment),
settled AS (
     {outcome}
        AND EXISTS (SELECT FROM fence)
  RETURNING 1)
SELECT moment, 1 / (SELECT count(*) FROM settled) FROM fence
"""


class AtOnce:
    """Such commits over this thread's connection."""

    def __init__(self) -> None:
        self.prepared = prepared("default")

    def commit(self, source: Source, lease: Lease, step: Step) -> bool:
        """Fence, outcome, counter and marker, committed; False where nothing was written.

        Raises LeaseLost.
        """
        settlement = step.settlement
        if step.close is not None or settlement.others or settlement.outgoing:
            return False
        if len(settlement.done) != 1 or self.prepared.connection.in_atomic_block:
            return False
        outcome = source.settle_one(*settlement.done[0], settlement.batch_id)
        if outcome is None:
            return False
        failpoints.reach("outcome.after_fence")
        sql, params = outcome
        try:
            found = self.prepared.fetch(with_fence(sql), [*fence_values(lease, step), *params])
        except (DataError, Unprepared):
            return False
        if not found:
            raise LeaseLost(f"batch {lease.batch_id} belongs to somebody else now")
        settlement.now = as_utc(found[0][0])
        return True


def with_fence(outcome: str) -> str:
    """The whole statement."""
    return AT_ONCE.format(outcome=outcome, fenced=FENCED)


def fence_values(lease: Lease, step: Step) -> list[object]:
    """The fence's parameters."""
    remaining = None if step.settled_to is not None else json.dumps(list(step.remaining))
    marker = [remaining, step.settled_to or 0, step.in_hand]
    return [settings.LEASE_SECONDS, *marker, *as_known(lease)]
