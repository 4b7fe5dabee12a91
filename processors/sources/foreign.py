"""Mode C: a table in another database, whose status column takes fixed words only.

Two databases cannot commit together, so nothing is claimed over there: a row in our record
table is the claim (the intent). The user's row is read again after the intent is committed, and
written once, new → done, after our outcome is committed. Writing a "claimed" word across
databases would leave rows stuck whenever a process dies between the two commits.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from processors import failpoints
from processors.handlers.execution import encode_result
from processors.models import Record
from processors.sources.base import Claimed, Pick, Ref, Settlement
from processors.sources.table import WORD_AFTER, TableSource, is_missing, without_ceiling
from processors.states import RecordState

# Note the intent to treat these keys. A finished key that its owner set to new again is a new
# request; one that is open, or that its owner has not been told of, is not touched.
INTEND = """
INSERT INTO processors_record
       (processor_id, key, visit, state, priority, available_at, attempts, crashes, alone,
        maybe_seen, batch_id, synced, last_error, created_at)
SELECT %s, given.key, %s, 'claimed', 0, %s, 0, 0, FALSE, FALSE, %s, TRUE, '', %s
  FROM {keys}
    ON CONFLICT (processor_id, key) DO UPDATE
   SET state = 'claimed', visit = excluded.visit, batch_id = excluded.batch_id,
       attempts = 0, crashes = 0, alone = FALSE, maybe_seen = FALSE,
       last_error = '', settled_at = NULL
 WHERE processors_record.state IN ('done', 'skipped', 'dead', 'parked')
   AND processors_record.synced
RETURNING id, key
"""
KEYS_POSTGRES = "unnest(%s::text[]) AS given(key)"
KEYS_SQLITE = "(SELECT value AS key FROM json_each(%s)) AS given WHERE TRUE"

# Outcomes that the user's table has not heard of yet.
SETTLE_UNSYNCED = """
UPDATE processors_record
   SET state = 'done', settled_at = %s, synced = FALSE
 WHERE {ids} AND batch_id = %s AND state = 'claimed'
"""

SYNC_BATCH = 500


class ForeignTableSource(TableSource):
    """The user's table in another database."""

    has_position = True

    def claim(self, pick: Pick) -> list[Claimed]:
        self.position = pick.position
        waiting = self.ledger.claim(without_ceiling(pick))
        if pick.ledger_only or len(waiting) >= pick.size:
            return self._by_key(waiting)
        return self._by_key(waiting) + self._intend(pick, pick.size - len(waiting))

    def claim_alone(self, pick: Pick) -> list[Claimed]:
        return self._by_key(self.ledger.claim_alone(pick))

    def _by_key(self, held: list[Claimed]) -> list[Claimed]:
        for claimed in held:
            claimed.ref = self.statements.key_value(claimed.key)
        return held

    def _intend(self, pick: Pick, size: int) -> list[Claimed]:
        """Note up to `size` intents, reading on from where this cycle's last claim ended."""
        while True:
            keys = self._waiting_keys(pick, size)
            if not keys:
                return []
            self.position = str(keys[-1])
            intended = self._insert(pick, keys)
            if intended:
                return intended

    def _waiting_keys(self, pick: Pick, size: int) -> list[Ref]:
        s = self.statements
        where, params = s.waiting(ceiling=pick.ceiling, position=self.position)
        sql = f"SELECT {s.key} FROM {s.table} WHERE {where} ORDER BY {s.key} LIMIT %s"
        return [
            row[0] if isinstance(row[0], int) else str(row[0])
            for row in s.dialect.fetch(sql, [*params, size])
        ]

    def _insert(self, pick: Pick, keys: Sequence[Ref]) -> list[Claimed]:
        ours = self.ledger.dialect
        sql = INTEND.format(keys=KEYS_POSTGRES if ours.is_postgres else KEYS_SQLITE)
        now = ours.moment(pick.now)
        texts = ours.values([str(key) for key in keys])
        given = (self.processor_id, pick.batch_id, now, pick.batch_id, now, texts)
        ids = {key: id_ for id_, key in ours.fetch(sql, given)}
        return [
            Claimed(key, str(key), {}, visit=pick.batch_id, record_id=ids[str(key)])
            for key in keys
            if str(key) in ids
        ]

    def confirm(self, claimed: list[Claimed]) -> list[Claimed]:
        """Read the rows again, now that nobody else of ours can take them."""
        failpoints.reach("foreign.after_claim")
        held = self._with_payload(claimed, "new")
        return [c for c in held if not is_missing(c) or c.attempts or c.crashes]

    def settle(self, settlement: Settlement) -> None:
        ours = self.ledger.dialect
        ids = [claimed.record_id for claimed, _ in settlement.done]
        if ids:
            sql = SETTLE_UNSYNCED.format(ids=ours.is_in("id"))
            params = (ours.moment(settlement.now), ours.values(ids), settlement.batch_id)
            if ours.run(sql, params) != len(ids):
                raise LookupError(f"Batch {settlement.batch_id}: a record is not claimed by it.")
            self._keep_results(settlement)
        self.ledger.remember(settlement, synced=False)

    def settle_one(
        self, claimed: Claimed, result: Any, batch_id: int
    ) -> tuple[str, list[Any]] | None:
        return None  # our row is to be written as well

    def _keep_results(self, settlement: Settlement) -> None:
        """Results wait in our table until the user's table has them."""
        told = [(c.record_id, result) for c, result in settlement.done if result is not None]
        if told and self.definition.get("result"):
            with self.ledger.dialect.connection.cursor() as cursor:
                cursor.executemany(
                    "UPDATE processors_record SET result = %s WHERE id = %s",
                    [(encode_result(result), id_) for id_, result in told],
                )

    def suspect(self, settlement: Settlement) -> None:
        self.ledger.remember(settlement, synced=False)

    def publish_outcomes(self, settlement: Settlement) -> None:
        ids = [c.record_id for c, _ in settlement.done]
        keys = [c.key for c, o in settlement.others if o.kind in WORD_AFTER]
        rows = Record.objects.filter(processor_id=self.processor_id, synced=False)
        self._tell_owner(list(rows.filter(id__in=ids)) + list(rows.filter(key__in=keys)))

    def reconcile(self, now: datetime) -> int:
        rows = Record.objects.filter(processor_id=self.processor_id, synced=False)
        return self._tell_owner(list(rows.order_by("id")[:SYNC_BATCH]))

    def _tell_owner(self, records: list[Record]) -> int:
        """Write outcomes to the user's table, then note that it knows them.

        A row that is not new any more was told before, or its owner changed it: either way it
        is not ours to write.
        """
        told = [
            self._told(
                self.statements.key_value(r.key), WORD_AFTER[r.state], r.result, r.last_error
            )
            for r in records
        ]
        if told:
            with transaction.atomic(using=self.statements.dialect.connection.alias):
                self._tell(told, "new")
            failpoints.reach("foreign.after_done_before_synced")
            self._note_synced([r.pk for r in records])
        return len(told)

    def _note_synced(self, ids: Sequence[int]) -> None:
        """A plain success needs no row of ours any more: its batch lists the key."""
        rows = Record.objects.filter(id__in=ids)
        rows.filter(state=RecordState.DONE, attempts=0, crashes=0, history=None).delete()
        rows.update(synced=True)

    def release(self, batch_id: int, refs: Sequence[Ref]) -> None:
        held = Record.objects.filter(
            processor_id=self.processor_id,
            key__in=[str(ref) for ref in refs],
            batch_id=batch_id,
            state=RecordState.CLAIMED,
        )
        held.filter(attempts=0, crashes=0, history=None).delete()
        held.update(state=RecordState.READY, batch_id=None)

    def has_claimable(self, pick: Pick) -> bool:
        if self.ledger.has_claimable(without_ceiling(pick)):
            return True
        return not pick.ledger_only and self._has_unknown(pick)

    def _has_unknown(self, pick: Pick) -> bool:
        """Whether a row waits of which we remember nothing open."""
        self.position = pick.position
        while keys := self._waiting_keys(pick, SYNC_BATCH):
            self.position = str(keys[-1])
            open_ = Record.objects.filter(
                processor_id=self.processor_id, key__in=[str(key) for key in keys]
            ).exclude(state__in=[*FINISHED], synced=True)
            if open_.count() < len(keys):
                return True
        return False

    def backlog(self, cap: int) -> int:
        waiting = self._count_waiting(cap)
        held = Record.objects.filter(processor_id=self.processor_id)
        settled = held.filter(synced=False)[:cap].count()
        return max(0, waiting - settled)

    def restore(self, record_key: str) -> None:
        self._move([self.statements.key_value(record_key)], "failed", "new")


FINISHED = (RecordState.DONE, RecordState.SKIPPED, RecordState.DEAD, RecordState.PARKED)
