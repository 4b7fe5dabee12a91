"""Claim, settle and release rows of our own record table.

For an inbox that is every record; for a table only what there is to remember. Every statement
is set-based: one row changed by one statement costs twenty times more than in a set.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from processors.clock import as_utc
from processors.handlers.execution import encode_result
from processors.handlers.outcomes import Outcome
from processors.models import IN_LANE, Attempt, Record
from processors.sources.base import Claimed, Pick, Ref, Settlement
from processors.sources.dialect import Dialect, unguessed
from processors.states import RecordState

RETURNED = (
    "id, key, payload, visit, attempts, crashes, expires_at, priority, available_at, maybe_seen"
)
# Not as times, because reading those costs more than all the rest of a row: here as the text
# that SQLite keeps, which has the same order,
RETURNED_SQLITE = RETURNED.replace("available_at", "available_at || ''")
# and here as a number.
RETURNED_POSTGRES = ", ".join(f"r.{name}" for name in RETURNED.split(", ")).replace(
    "r.available_at", "extract(epoch FROM r.available_at)::float8"
)

# Pick due records, highest priority first and then in order of arrival. A probe per priority
# keeps the cost the same however many records wait for a later time; the update goes by physical
# place, because locked rows cannot move and no statistics can turn that into a wider scan.
PICK_POSTGRES = """
WITH pick AS MATERIALIZED (
    SELECT due.place
      FROM generate_series(9, 0, -1) AS level(priority)
     CROSS JOIN LATERAL (
           SELECT ctid AS place
             FROM processors_record
            WHERE processor_id = %s AND priority = level.priority
              AND waits AND NOT alone AND available_at <= %s AND id <= %s
              AND (maybe_seen OR %s)
            ORDER BY available_at, id
            LIMIT %s
              FOR UPDATE SKIP LOCKED) AS due
     LIMIT %s)
UPDATE processors_record AS r
   SET state = 'claimed', batch_id = %s
 WHERE r.ctid = ANY(ARRAY(SELECT place FROM pick)) AND r.waits
"""

# The same where one writer holds the whole file: the highest level that has anything due, in the
# order of the index. Sorting over all levels would read every record that waits.
PICK_SQLITE = """
UPDATE processors_record AS r
   SET state = 'claimed', batch_id = %s
 WHERE r.id IN (
       SELECT id
         FROM processors_record
        WHERE processor_id = %s AND waits AND NOT alone
          AND available_at <= %s AND id <= %s AND (maybe_seen OR %s)
          AND priority = (
              SELECT level.value
                FROM json_each('[9,8,7,6,5,4,3,2,1,0]') AS level
               WHERE EXISTS (
                     SELECT 1
                       FROM processors_record
                      WHERE processor_id = %s AND priority = level.value AND waits
                        AND NOT alone AND available_at <= %s AND id <= %s
                        AND (maybe_seen OR %s))
               ORDER BY level.key
               LIMIT 1)
        ORDER BY available_at, id
        LIMIT %s)
"""

# Pick what was set aside, of each lane the most urgent and then the oldest; it is due from then on.
LANES_POSTGRES = """
WITH pick AS MATERIALIZED (
    SELECT turn.place
      FROM (SELECT unnest(%s::bigint[]) AS id, unnest(%s::int[]) AS room) AS lane
     CROSS JOIN LATERAL (
           SELECT ctid AS place
             FROM processors_record
            WHERE processor_id = %s AND lane_id = lane.id AND waits AND NOT alone
            ORDER BY priority DESC, id
            LIMIT lane.room
              FOR UPDATE SKIP LOCKED) AS turn
     LIMIT %s)
UPDATE processors_record AS r
   SET state = 'claimed', batch_id = %s, lane_id = NULL, available_at = %s
 WHERE r.ctid = ANY(ARRAY(SELECT place FROM pick)) AND r.waits
"""
LANES_SQLITE = """
UPDATE processors_record AS r
   SET state = 'claimed', batch_id = %s, lane_id = NULL, available_at = %s
 WHERE r.id IN (
       SELECT id
         FROM processors_record
        WHERE processor_id = %s AND lane_id = %s AND waits AND NOT alone
        ORDER BY priority DESC, id
        LIMIT %s)
"""

# Leave claimed records to wait in their lanes. These are looked up in an object: joined with pairs,
# a planner that expects one record of this batch compares each record with each pair.
SET_ASIDE_POSTGRES = """
UPDATE processors_record
   SET state = 'ready', batch_id = NULL, lane_id = (%s::jsonb ->> id::text)::bigint,
       available_at = %s
 WHERE id = ANY(%s::bigint[]) AND batch_id = %s AND state = 'claimed'
"""
SET_ASIDE_SQLITE = """
UPDATE processors_record
   SET state = 'ready', batch_id = NULL, lane_id = %s, available_at = %s
 WHERE id = %s AND batch_id = %s AND state = 'claimed'
"""

# One record under suspicion.
PICK_ALONE = """
UPDATE processors_record AS r
   SET state = 'claimed', batch_id = %s
 WHERE r.waits AND r.id = (
       SELECT id
         FROM processors_record
        WHERE processor_id = %s AND waits AND alone AND available_at <= %s
        ORDER BY available_at, id
        LIMIT 1{skip_locked})
"""

# Records that were done without anything to tell.
SETTLE_DONE = """
UPDATE processors_record
   SET state = 'done', settled_at = %s
 WHERE {ids} AND batch_id = %s AND state = 'claimed'
"""

# The same with their results.
SETTLE_RESULTS_POSTGRES = f"""
UPDATE processors_record AS r
   SET state = 'done', settled_at = %s, result = given.result::jsonb
  FROM (SELECT unnest(%s::bigint[]) AS id, unnest(%s::text[]) AS result) AS given
 WHERE r.id = given.id AND {unguessed("r.batch_id = %s AND r.state = 'claimed'")}
"""

SETTLE_RESULTS_SQLITE = """
UPDATE processors_record
   SET state = 'done', settled_at = %s, result = %s
 WHERE id = %s AND batch_id = %s AND state = 'claimed'
"""

# One record that was done, at the time of the write.
SETTLE_ONE_POSTGRES = """
UPDATE processors_record
   SET state = 'done', settled_at = clock_timestamp(), result = coalesce(%s, result)
 WHERE id = %s AND batch_id = %s AND state = 'claimed'
"""

# Give back what was not begun.
RELEASE = """
UPDATE processors_record
   SET state = 'ready', batch_id = NULL
 WHERE {ids} AND batch_id = %s AND state = 'claimed'
"""

# Is there anything to remember of a table? Asked by every claim, so without the ORM's cost.
ANY_RECORD = "SELECT 1 FROM processors_record WHERE processor_id = %s LIMIT 1"

NO_CEILING = 2**62


class Ledger:
    """Our record table, as one processor's part of it."""

    def __init__(self, processor_id: int) -> None:
        self.processor_id = processor_id
        self.dialect = Dialect("default")

    def claim(self, pick: Pick) -> list[Claimed]:
        """Up to `pick.size` due records, none under suspicion."""
        now, ceiling = self.dialect.moment(pick.now), int(pick.ceiling or NO_CEILING)
        fresh_too = not pick.ledger_only
        if self.dialect.is_postgres:
            due = (self.processor_id, now, ceiling, fresh_too)
            params = (*due, pick.size, pick.size, pick.batch_id)
            return self._returned(PICK_POSTGRES, params, pick.now)
        due = (self.processor_id, now, ceiling, fresh_too)
        return self._returned(PICK_SQLITE, (pick.batch_id, *due, *due, pick.size), pick.now)

    def claim_alone(self, pick: Pick) -> list[Claimed]:
        """One due record under suspicion."""
        sql = PICK_ALONE.format(skip_locked=self.dialect.skip_locked)
        return self._returned(
            sql, (pick.batch_id, self.processor_id, self.dialect.moment(pick.now)), pick.now
        )

    def claim_in_lanes(self, pick: Pick, rooms: Sequence[tuple[int, int]]) -> list[Claimed]:
        """See Source.claim_in_lanes."""
        now = self.dialect.moment(pick.now)
        if self.dialect.is_postgres:
            lanes, spare = [list(column) for column in zip(*rooms, strict=True)]
            asked = (lanes, spare, self.processor_id, pick.size, pick.batch_id, now)
            return self._returned(LANES_POSTGRES, asked, pick.now)
        found: list[Claimed] = []
        for lane, room in rooms:
            left = min(room, pick.size - len(found))
            params = (pick.batch_id, now, self.processor_id, lane, left)
            found += self._returned(LANES_SQLITE, params, pick.now) if left else []
        return found

    def set_aside(self, pick: Pick, found: Sequence[tuple[Any, int]]) -> None:
        """Claimed records, each with its lane. Raises LookupError where one is not ours."""
        if not found:
            return
        due = self.dialect.moment(IN_LANE)
        if self.dialect.is_postgres:
            values = (json.dumps(dict(found)), due, [id_ for id_, _ in found], pick.batch_id)
            moved = self.dialect.run(SET_ASIDE_POSTGRES, values)
        else:
            with self.dialect.connection.cursor() as cursor:
                rows = [(lane, due, id_, pick.batch_id) for id_, lane in found]
                cursor.executemany(SET_ASIDE_SQLITE, rows)
                moved = int(cursor.rowcount)
        if moved != len(found):
            raise LookupError(f"Batch {pick.batch_id} set aside {moved} of {len(found)} records.")

    def note_aside(self, pick: Pick, found: Sequence[tuple[Claimed, int]]) -> None:
        """A table's rows of which nothing was remembered so far."""
        Record.objects.bulk_create(
            Record(
                processor_id=self.processor_id,
                key=claimed.key,
                visit=claimed.visit,
                state=RecordState.READY,
                lane_id=lane_id,
                available_at=IN_LANE,
                created_at=pick.now,
            )
            for claimed, lane_id in found
        )

    def _returned(self, sql: str, params: Sequence[Any], now: datetime) -> list[Claimed]:
        # SQLite knows no alias in RETURNING; Postgres needs it beside the pick's columns.
        returned = RETURNED_POSTGRES if self.dialect.is_postgres else RETURNED_SQLITE
        return claimed_from(self.dialect.fetch(f"{sql} RETURNING {returned}", params), now)

    def claim_statement(self) -> str | None:
        """See Source.claim_statement."""
        return (
            f"{PICK_POSTGRES} RETURNING {RETURNED_POSTGRES}" if self.dialect.is_postgres else None
        )

    def settle_done(self, settlement: Settlement) -> None:
        """Plain successes. Raises LookupError when one of them is not ours any more."""
        plain = [claimed.ref for claimed, result in settlement.done if result is None]
        told = [(c.ref, encode_result(r)) for c, r in settlement.done if r is not None]
        settled = self._settle_plain(plain, settlement) if plain else 0
        settled += self._settle_results(told, settlement) if told else 0
        if settled != len(settlement.done):
            raise LookupError(
                f"Batch {settlement.batch_id} settled {settled} of {len(settlement.done)} records: "
                "the others are not claimed by it."
            )

    def _settle_plain(self, ids: Sequence[Any], settlement: Settlement) -> int:
        sql = SETTLE_DONE.format(ids=self.dialect.is_in("id"))
        now = self.dialect.moment(settlement.now)
        return self.dialect.run(sql, (now, self.dialect.values(ids), settlement.batch_id))

    def _settle_results(
        self, told: Sequence[tuple[Any, str | None]], settlement: Settlement
    ) -> int:
        now, batch_id = self.dialect.moment(settlement.now), settlement.batch_id
        if self.dialect.is_postgres:
            ids, results = zip(*told, strict=True)
            params = (now, list(ids), list(results), batch_id)
            return self.dialect.run(SETTLE_RESULTS_POSTGRES, params)
        with self.dialect.connection.cursor() as cursor:
            rows = [(now, result, id_, batch_id) for id_, result in told]
            cursor.executemany(SETTLE_RESULTS_SQLITE, rows)
            return int(cursor.rowcount)

    def settle_one(self, id_: Ref, result: Any, batch_id: int) -> tuple[str, list[Any]] | None:
        """See Source.settle_one."""
        if not self.dialect.is_postgres:
            return None
        return SETTLE_ONE_POSTGRES, [encode_result(result), id_, batch_id]

    def release(self, batch_id: int, ids: Sequence[Any]) -> int:
        """Back to ready without a mark; how many."""
        sql = RELEASE.format(ids=self.dialect.is_in("id"))
        return self.dialect.run(sql, (self.dialect.values(ids), batch_id))

    def remember(self, settlement: Settlement, *, synced: bool = True) -> None:
        """Write every outcome that is not a plain success, with its line of history."""
        if not settlement.others:
            return
        records = [
            self._after(claimed, outcome, settlement, synced=synced)
            for claimed, outcome in settlement.others
        ]
        written = Record.objects.bulk_create(
            records,
            update_conflicts=True,
            unique_fields=["processor", "key"],
            update_fields=REMEMBERED,
        )
        Attempt.objects.bulk_create(
            attempt_line(record, claimed, outcome, settlement)
            for record, (claimed, outcome) in zip(written, settlement.others, strict=True)
        )

    def _after(
        self, claimed: Claimed, outcome: Outcome, settlement: Settlement, *, synced: bool
    ) -> Record:
        failed = outcome.kind in ("retry", "dead") and not (outcome.is_crash or outcome.is_free)
        state = STATE_AFTER.get(outcome.kind, RecordState.READY)
        return Record(
            processor_id=self.processor_id,
            key=claimed.key,
            visit=claimed.visit,
            state=state,
            result=outcome.result,
            available_at=settlement.now + timedelta(seconds=outcome.after or 0),
            attempts=claimed.attempts + failed,
            crashes=claimed.crashes + outcome.is_crash,
            alone=outcome.alone and state == RecordState.READY,
            batch_id=settlement.batch_id,
            synced=synced or state == RecordState.READY,
            last_error=outcome.message,
            error_type=outcome.error_type or None,
            fingerprint=fingerprint(outcome) or None,
            maybe_seen=claimed.maybe_seen or outcome.kind != "skipped",
            created_at=settlement.now,
            settled_at=None if state == RecordState.READY else settlement.now,
        )

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to remember: lets a table's claims skip the look."""
        return not self.dialect.fetch(ANY_RECORD, [self.processor_id])

    def has_claimable(self, pick: Pick) -> bool:
        """Whether anything is due, skipping nothing."""
        due = Record.objects.filter(processor_id=self.processor_id).claimable(pick.now)
        if pick.ledger_only:
            due = due.tried()
        inside = due.filter(id__lte=int(pick.ceiling or NO_CEILING), alone=False)
        return inside.exists() or due.filter(alone=True).exists()


REMEMBERED = [
    "visit",
    "state",
    "result",
    "available_at",
    "attempts",
    "crashes",
    "alone",
    "lane",
    "batch",
    "synced",
    "last_error",
    "error_type",
    "fingerprint",
    "maybe_seen",
    "settled_at",
]

STATE_AFTER: dict[str, RecordState] = {
    "done": RecordState.DONE,
    "skipped": RecordState.SKIPPED,
    "dead": RecordState.DEAD,
    "parked": RecordState.PARKED,
}


def claimed_from(rows: Sequence[Sequence[Any]], now: datetime) -> list[Claimed]:
    """What was claimed, from the columns of RETURNED, in the order to treat it."""
    return [from_row(row, now) for row in sorted(rows, key=in_order_of_claim)]


def in_order_of_claim(row: Sequence[Any]) -> tuple[Any, ...]:
    """Highest priority first, then in order of arrival: what a set-based update returns is not."""
    id_, *_, priority, available_at, _ = row
    return -priority, available_at, id_


decode = json.JSONDecoder().decode  # what json.loads finds anew for every record


def from_row(row: Sequence[Any], now: datetime) -> Claimed:
    """A claimed record from the columns of RETURNED; `now` decides whether it came too late."""
    id_, key, payload, visit, attempts, crashes, expires_at, _, _, maybe_seen = row
    return Claimed(
        id_,
        key,
        decode(payload) if payload else {},
        visit,
        attempts,
        crashes,
        id_,
        expires_at is not None and as_utc(expires_at) <= now,
        bool(maybe_seen),
    )


def remembered(record: Record, ref: Ref) -> Claimed:
    """A record of ours as one in hand, without its payload."""
    return Claimed(
        ref=ref,
        key=record.key,
        payload={},
        visit=record.visit,
        attempts=record.attempts,
        crashes=record.crashes,
        record_id=record.pk,
        maybe_seen=record.maybe_seen,
    )


def attempt_line(
    record: Record, claimed: Claimed, outcome: Outcome, settlement: Settlement
) -> Attempt:
    """One line of a record's history."""
    return Attempt(
        processor_id=record.processor_id,
        record=record,
        run_id=settlement.run_id,
        batch_id=settlement.batch_id,
        visit=claimed.visit,
        number=claimed.number,
        outcome=outcome.kind,
        error_type=outcome.error_type,
        message=outcome.message,
        traceback=outcome.traceback,
        fingerprint=fingerprint(outcome),
        log=outcome.log,
        owner=settlement.owner,
        duration_seconds=outcome.duration,
        at=settlement.now,
    )


QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|«[^»]*»")
IDENTIFIER = re.compile(r"\b[0-9a-f]{8}-[0-9a-f-]{27}\b|\b\w*\d[\w.,-]*")


def normalised(message: str) -> str:
    """A message without what differs from record to record: quoted values, numbers, ids.

    What was normalised stays as it is.
    """
    first = message.strip().split("\n", 1)[0]
    return IDENTIFIER.sub("#", QUOTED.sub("…", first))[:500].strip()


def fingerprint(outcome: Outcome) -> str:
    """What attempts with the same kind of error have in common; empty without an error."""
    if not outcome.error_type and not outcome.message:
        return ""
    text = f"{outcome.error_type}\n{normalised(outcome.message)}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]
