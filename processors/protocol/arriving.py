"""Store a few records that arrive, and begin the cycle that takes them up, in a single statement.

It says what `arrivals.store` and `cycles.begin_arrived` say, for the plain case: one inbox listens,
none of the keys is known. Whatever stands in its way leaves nothing written, and the usual way says
what it was. Where only the cycle cannot begin here (one goes on, somebody has the processor, it is
not armed) the records are stored all the same.

Its snapshot is older than its locks: what the processor's row says is read again once it is locked,
and a cycle that somebody began meanwhile is refused by the constraint.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from django.db import DataError, IntegrityError

from processors import failpoints
from processors.models.installation import home_of_database
from processors.protocol.cycles import MACHINE
from processors.protocol.working import FROZEN
from processors.sources.arrivals import INSERT_POSTGRES, Prepared, columns_of
from processors.sources.inbox import COUNT_CAP
from processors.sources.prepared import Unprepared, filled, prepared
from processors.storable import is_name

FEW = 100  # records, so that the usual way, which tells of many, is not held up

# The inbox that listens, where it is the only one and knows none of the keys, kept from being
# deleted as by `ProcessorQuerySet.kept`; the records; its row, locked, where a cycle may begin; the
# run, its event, and the processor's mark that it is active.
# Where fewer were stored than were given, somebody stored one of them meanwhile: then the division
# fails, and with it the statement.
ARRIVE = """
WITH moment AS MATERIALIZED (
     SELECT clock_timestamp() AS now),
listener AS MATERIALIZED (
     SELECT processor.id
       FROM processors_processor AS processor
      WHERE processor.id = (
            SELECT min(id)
              FROM processors_processor
             WHERE source_kind = 'inbox' AND (slug = %s OR topic = %s)
            HAVING count(*) = 1)
        AND NOT EXISTS (
            SELECT FROM processors_record WHERE processor_id = processor.id AND key = ANY(%s))
        FOR KEY SHARE),
stored AS (
     {insert}
  RETURNING available_at),
armed AS MATERIALIZED (
     SELECT processor.id, processor.last_seq + 1 AS seq, processor.queue, processor.parallelism,
            processor.records_per_cycle,
            jsonb_build_object({frozen}, 'ledger_only', FALSE) AS config
       FROM processors_processor AS processor
      WHERE processor.id = (SELECT id FROM listener)
        AND processor.trigger_kind = 'arrival' AND processor.blackouts = '[]'
        AND processor.state = 'started' AND processor.fault_reason = ''
        AND processor.next_due_at IS NOT NULL
        AND NOT EXISTS (
            SELECT FROM processors_run WHERE processor_id = processor.id AND ended_at IS NULL)
        AND NOT EXISTS (
            SELECT FROM processors_installation
             WHERE id = 1 AND (paused_at IS NOT NULL OR home NOT IN ('', %s)))
        AND EXISTS (SELECT FROM stored, moment WHERE stored.available_at <= moment.now)
        FOR NO KEY UPDATE SKIP LOCKED),
waiting AS MATERIALIZED (
     SELECT (SELECT count(*) FROM stored)
            + (SELECT count(*)
                 FROM (SELECT FROM processors_record
                        WHERE processor_id = armed.id AND waits AND NOT alone LIMIT {cap}) AS usual)
            + (SELECT count(*)
                 FROM (SELECT FROM processors_record
                        WHERE processor_id = armed.id AND waits AND alone LIMIT {cap}) AS alone)
            AS number
       FROM armed),
begun AS (
     INSERT INTO processors_run
            (processor_id, seq, state, trigger, reason, actor, fault_reason, config, expected,
             claim_limit, started_at, woken_at, claimed, done, skipped, retried, dead, parked,
             crashed, released)
     SELECT armed.id, armed.seq, 'running', 'arrival', '', {actor}, '', armed.config,
            CASE WHEN waiting.number < {cap} THEN waiting.number END,
            armed.records_per_cycle, moment.now, moment.now, 0, 0, 0, 0, 0, 0, 0, 0
       FROM armed, waiting, moment
  RETURNING id, processor_id, expected),
marked AS (
     UPDATE processors_processor AS processor
        SET last_seq = armed.seq, next_due_at = NULL, last_looked_at = moment.now
       FROM armed, moment
      WHERE processor.id = armed.id),
told AS (
     INSERT INTO processors_event
            (processor_id, run_id, subject, action, from_state, to_state, actor, reason, at)
     SELECT begun.processor_id, begun.id, 'run', 'begin', '', 'running', {actor}, '', moment.now
       FROM begun, moment)
SELECT listener.id, begun.id, begun.expected, armed.queue, armed.parallelism,
       1 / CASE WHEN (SELECT count(*) FROM stored) = %s THEN 1 ELSE 0 END
  FROM listener
  LEFT JOIN armed ON TRUE
  LEFT JOIN begun ON TRUE
"""
# Of the insert, in the order of its marks: nothing is stored where there is no listener.
STORED = (
    "(SELECT id FROM listener)",
    "(SELECT now FROM moment)",
    "(SELECT now FROM moment)",
    *(
        f"(SELECT %s::{kind}[] FROM listener)"  # noqa: S608 - of constants
        for kind in ("text", "text", "smallint", "timestamptz", "timestamptz")
    ),
)


@dataclass(frozen=True, slots=True)
class Begun:
    """A cycle that began; `expected` records wait for it, None where they are too many to count."""

    run_id: int
    expected: int | None
    queue: str
    parallelism: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """Records that are stored, and their cycle where it began in the same commit."""

    processor_id: int
    begun: Begun | None


def arrive(target: str, chunk: Sequence[Prepared]) -> Arrival | None:
    """Store and begin, committed; None where nothing was written and the usual way is to be gone.

    Outside of transactions, on Postgres.
    """
    statements = prepared("default")
    if not 0 < len(chunk) <= FEW or not is_name(target) or not statements.is_ours:
        return None
    columns = columns_of(chunk)
    values = [target, target, columns[0], *columns, home_of_database(), len(chunk)]
    failpoints.reach("tick.after_insert_run")
    try:
        found = statements.fetch(whole(), values, one_plan=True)
    except (DataError, IntegrityError, Unprepared):
        return None
    for processor_id, run_id, expected, queue, parallelism, _ in found:
        begun = None if run_id is None else Begun(run_id, expected, queue, parallelism)
        return Arrival(processor_id, begun)
    return None


@cache
def whole() -> str:
    """The statement with what others say better."""
    return ARRIVE.format(
        insert=filled(INSERT_POSTGRES, STORED),
        frozen=", ".join(f"'{name}', processor.{name}" for name in FROZEN),
        actor=f"'{MACHINE.name}'",
        cap=COUNT_CAP + 1,
    )
