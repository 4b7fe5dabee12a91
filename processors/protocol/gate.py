"""The gate of a run: what every claim passes, and what stop, pause and the cycle's end hold shut.

Reading it says whether the run may claim and which limits are in force.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from processors.blackouts import Blackout
from processors.breaker import TRIAL_RECORDS
from processors.clock import as_utc
from processors.protocol.allowances import Held
from processors.rates import Rate
from processors.sources.dialect import Dialect
from processors.states import RunState

# The run's row is the gate: shared by claims, held alone by stop, pause and the cycle's end, so
# that no batch opens after their commit. The first claim of a worker holds it alone as well, to
# find a free slot. Also reads the limits in force, the time, and an id for the batch.
# While everything is paused no run may claim, whatever its own state: see `all_paused`.
RUN_STATE = """CASE WHEN run.state = 'running' AND EXISTS (
                 SELECT 1 FROM processors_installation WHERE paused_at IS NOT NULL)
            THEN 'pausing' ELSE run.state END"""
LIMITS_IN_FORCE = f"""
       CASE WHEN processor.on_trial THEN 1 ELSE processor.parallelism END,
       CASE WHEN processor.on_trial AND processor.batch_size > {TRIAL_RECORDS}
            THEN {TRIAL_RECORDS} ELSE processor.batch_size END,
       processor.concurrency, processor.record_timeout_seconds, processor.id,
       processor.rate_limits, processor.blackouts"""
GATE_POSTGRES = """
SELECT {state}, run.ceiling, run.claim_limit, run.position, {limits},
       clock_timestamp(),
       nextval(pg_get_serial_sequence('processors_batch', 'id'))
  FROM processors_run AS run
  JOIN processors_processor AS processor ON processor.id = run.processor_id
 WHERE run.id = %s
   FOR {lock} OF run
"""
GATE_SQLITE = """
SELECT {state}, run.ceiling, run.claim_limit, run.position, {limits},
       strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now'),
       (SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = 'processors_batch')
  FROM processors_run AS run
  JOIN processors_processor AS processor ON processor.id = run.processor_id
 WHERE run.id = %s
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in force at a claim."""

    parallelism: int
    batch_size: int
    concurrency: int
    record_timeout_seconds: int
    processor_id: int = 0
    rates: Sequence[Rate] = ()
    key_rates: Sequence[Rate] = ()
    blackouts: Sequence[Blackout] = ()


@dataclass(frozen=True, slots=True)
class Gate:
    """What the gate said."""

    state: str
    ceiling: str | None
    claim_limit: int | None
    position: str | None
    limits: Limits
    now: datetime
    batch_id: int

    @property
    def is_open(self) -> bool:
        """Whether the run may claim."""
        return self.state == RunState.RUNNING


@dataclass(slots=True)
class Ask:
    """What a worker asks the gate for.

    `slot`: the one it holds, None at its first claim. `hand`: how many records its first commit
    will probably hold. `held`: the answer where a rate limit or a blackout lets nothing pass.
    """

    run_id: int
    owner: str
    hand: int = 1
    slot: int | None = None
    ledger_only: bool = False
    held: Held | None = None


def pass_gate(ask: Ask, *, alone: bool) -> Gate | None:
    """Lock the run's row and read what a claim needs; None where the run is gone.

    In a transaction. `alone` excludes other claims, not only stop and pause.
    """
    dialect = Dialect("default")
    lock = "NO KEY UPDATE" if alone else "SHARE"
    sql = GATE_POSTGRES if dialect.is_postgres else GATE_SQLITE
    asked = sql.format(state=RUN_STATE, limits=LIMITS_IN_FORCE, lock=lock)
    rows = dialect.fetch(asked, [ask.run_id])
    if not rows:
        return None
    state, ceiling, claim_limit, position, *limits, now, batch_id = rows[0]
    in_force = limits_from(*limits)
    return Gate(state, ceiling, claim_limit, position, in_force, as_utc(now), batch_id)


def limits_from(*columns: Any) -> Limits:
    """From the columns of LIMITS_IN_FORCE."""
    *numbers, rates, blackouts = columns
    parallelism, batch_size, concurrency, time_limit, processor_id = numbers
    found = [] if rates == "[]" else [Rate.parse(text) for text in json.loads(rates)]
    return Limits(
        parallelism,
        batch_size,
        concurrency,
        time_limit,
        processor_id,
        found,
        found and [rate for rate in found if rate.by],
        [] if blackouts == "[]" else [Blackout.parse(text) for text in json.loads(blackouts)],
    )


STATE_NOW = "SELECT {state} FROM processors_run AS run WHERE id = %s"


def state_of(run_id: int) -> str | None:
    """The run's state as the gate sees it now; asked between records, so without the ORM's cost."""
    rows = Dialect("default").fetch(STATE_NOW.format(state=RUN_STATE), [run_id])
    return rows[0][0] if rows else None
