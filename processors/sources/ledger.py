"""Claim, settle and release rows of our own record table.

For an inbox that is every record; for a table only what there is to remember.
"""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from processors.clock import as_utc
from processors.handlers.execution import encode_result
from processors.handlers.outcomes import Outcome
from processors.models import IN_LANE, Attempt, Record
from processors.sources.base import Claimed, Pick, Ref, Settlement
from processors.sources.dialect import Dialect
from processors.sources.fingerprints import fingerprint
from processors.sources.ledger_statements import (
    ANY_RECORD,
    LANES_POSTGRES,
    LANES_SQLITE,
    PICK_ALONE,
    PICK_POSTGRES,
    PICK_SQLITE,
    RELEASE,
    RETURNED_POSTGRES,
    RETURNED_SQLITE,
    SET_ASIDE_POSTGRES,
    SET_ASIDE_SQLITE,
    SETTLE_DONE,
    SETTLE_ONE_POSTGRES,
    SETTLE_RESULTS_POSTGRES,
    SETTLE_RESULTS_SQLITE,
)
from processors.states import RecordState

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
