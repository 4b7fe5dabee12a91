"""The first claim of a shift in a single statement: a round trip instead of six.

A record that arrives at an idle processor waits for exactly this. The statement says what
`claiming.claim` says of the plain case: an inbox, no rate limit, no blackout, no limit of records.
Where it takes nothing, for whatever reason, nothing was written, and `claiming` is to be asked.

Its snapshot is older than its locks. What the run's row says is read again once it is locked, as
Postgres does for every row that it had to wait for; a slot that somebody took meanwhile is refused
by the constraint; a record that came meanwhile is left to the ordinary claim.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.db import IntegrityError

from processors import failpoints
from processors.clock import as_utc
from processors.models import Run
from processors.models.installation import home_of_database
from processors.protocol import claiming
from processors.protocol.claiming import OPEN_BATCH
from processors.protocol.gate import LIMITS_IN_FORCE, RUN_STATE, Ask, limits_from
from processors.protocol.leases import Lease, token_value
from processors.protocol.working import RUN_IN_FULL, run_from
from processors.sources.base import Source
from processors.sources.prepared import Unprepared, filled, prepared

# Gate, free slot, records and lease. The gate's row is locked before anything else is looked at,
# because all else asks it.
FIRST_CLAIM = """
WITH gate (run_id, ceiling, parallelism, batch_size, concurrency, record_timeout_seconds,
           processor_id, rate_limits, blackouts, moment, batch_id) AS MATERIALIZED (
     SELECT run.id, coalesce(run.ceiling::bigint, 9223372036854775807), {limits},
            clock_timestamp(), nextval(pg_get_serial_sequence('processors_batch', 'id'))
       FROM processors_run AS run
       JOIN processors_processor AS processor ON processor.id = run.processor_id
      WHERE run.id = %s AND {state} = 'running' AND run.claim_limit IS NULL
        AND processor.rate_limits = '[]' AND processor.blackouts = '[]'
        AND coalesce(md5(run.config::text) = ANY(%s::text[]), TRUE)
        AND NOT EXISTS (
            SELECT FROM processors_installation WHERE id = 1 AND home NOT IN ('', %s))
        FOR NO KEY UPDATE OF run),
slot AS (
     SELECT free.number
       FROM gate
      CROSS JOIN LATERAL generate_series(0, gate.parallelism - 1) AS free(number)
      WHERE free.number NOT IN (
            SELECT slot FROM processors_batch WHERE run_id = gate.run_id AND state = 'leased')
      ORDER BY free.number
      LIMIT 1),
claimed (id, key, payload, visit, attempts, crashes, expires_at, priority, available_at,
         maybe_seen) AS (
     {pick}),
taken (keys, number) AS (
     SELECT jsonb_agg(id ORDER BY priority DESC, available_at, id), count(*) FROM claimed),
opened AS (
     {open_batch}
       FROM gate, slot, taken
      WHERE taken.number > 0)
SELECT gate.parallelism, gate.batch_size, gate.concurrency, gate.record_timeout_seconds,
       gate.processor_id, gate.rate_limits, gate.blackouts, gate.moment, gate.batch_id,
       slot.number, claimed.*, installation.identity,
       md5(run.config::text), {run}
  FROM gate, slot, claimed, processors_installation AS installation, processors_run AS run
 WHERE installation.id = 1 AND run.id = gate.run_id
"""

# Of the pick: nothing is taken where no slot is free.
PROCESSOR = "(SELECT gate.processor_id FROM gate CROSS JOIN slot)"
SIZE = "(SELECT batch_size FROM gate)"
PICKED = (
    PROCESSOR,
    "(SELECT moment FROM gate)",
    "(SELECT ceiling FROM gate)",
    "%s",
    SIZE,
    SIZE,
    "(SELECT batch_id FROM gate)",
)
# Of the batch's row, in the order of OPEN_BATCH.
OPENED = (
    "gate.batch_id",
    "gate.run_id",
    "%s::uuid",
    "slot.number",
    "%s",
    "gate.moment + make_interval(secs => %s)",
    "taken.keys",
    "least(greatest(%s, gate.concurrency), taken.number)",
    "taken.number",
    "gate.moment",
)


@dataclass(frozen=True, slots=True)
class Taken:
    """A batch that was committed, with what its worker must know of the run."""

    lease: Lease
    identity: str
    configuration: str
    run_columns: Sequence[Any]

    @property
    def run(self) -> Run:
        """The run; made anew by every look."""
        return run_from(self.run_columns)


def claim(source: Source, ask: Ask) -> Lease | None:
    """The first batch of a shift, in as few steps as can be; None as `claiming.claim` says it."""
    if source.claim_statement() is not None:
        failpoints.reach("claim.before_commit")
    taken = claim_at_once(source, ask)
    return taken.lease if taken else claiming.claim(source, ask)


def claim_at_once(
    source: Source, ask: Ask, configurations: Sequence[str] | None = None
) -> Taken | None:
    """A batch, committed; None where nothing was written and the usual way is to be gone.

    With `configurations`, only where the run's is one of them; each as its text's MD5 digest.
    """
    pick = source.claim_statement()
    if pick is None:
        return None
    token = str(uuid.uuid4())
    known = None if configurations is None else list(configurations)
    run = [ask.run_id, known, home_of_database(), not ask.ledger_only]
    batch = [token_value(token), ask.owner, settings.LEASE_SECONDS, ask.hand]
    try:
        found = prepared("default").fetch(whole(pick), [*run, *batch], one_plan=True)
    except (IntegrityError, Unprepared):
        return None
    if not found:
        return None
    *limits, moment, batch_id, slot = found[0][:10]
    identity, configuration, *columns = found[0][20:]
    lease = Lease(batch_id, ask.run_id, token, slot, ask.owner, limits_from(*limits))
    lease.claimed = source.claimed_from([row[10:20] for row in found], as_utc(moment))
    lease.keys = [claimed.ref for claimed in lease.claimed]
    lease.in_hand = min(max(ask.hand, lease.limits.concurrency), len(lease.keys))
    return Taken(lease, str(identity), configuration, columns)


@cache
def whole(pick: str) -> str:
    """The statement around a source's own part of it."""
    return FIRST_CLAIM.format(
        state=RUN_STATE,
        limits=LIMITS_IN_FORCE,
        run=RUN_IN_FULL,
        pick=filled(pick, PICKED),
        open_batch=filled(OPEN_BATCH, OPENED),
    )
