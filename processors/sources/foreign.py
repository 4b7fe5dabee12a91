"""A table in another database; as it stands, mode C: its status column takes fixed words only.

Two databases cannot commit together, so nothing is claimed over there: a row in our record
table is the claim (the intent). The user's row is read again after the intent is committed, and
written once, new → done, after our outcome is committed. Writing a "claimed" word across
databases would leave rows stuck whenever a process dies between the two commits. Where the
status column has room for a token, `marked` does better.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from django.db import DatabaseError, InterfaceError, transaction
from django.utils.translation import gettext as _

from processors import failpoints
from processors.handlers.execution import encode_result
from processors.handlers.outcomes import MESSAGE_LIMIT, clean_text
from processors.models import Record
from processors.sources.base import Claimed, Pick, Ref, Settlement
from processors.sources.changed import is_missing
from processors.sources.dialect import can_pass, first_line, is_broken, unguessed
from processors.sources.table import WORD_AFTER, TableSource, without_ceiling
from processors.sources.user_rows import as_ref
from processors.states import RECORD_SETTLED, RecordState

logger = logging.getLogger(__name__)

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

# Note that outcomes were told: those of the batches they were read with, and no later ones.
TOLD_POSTGRES = f"""
UPDATE processors_record AS r
   SET synced = TRUE
  FROM (SELECT unnest(%s::bigint[]) AS id, unnest(%s::bigint[]) AS batch_id) AS given
 WHERE r.id = given.id AND r.batch_id = given.batch_id AND {unguessed("NOT r.synced")}
RETURNING r.id
"""
TOLD_SQLITE = """
UPDATE processors_record
   SET synced = TRUE
 WHERE (id, batch_id) IN (
       SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(%s))
   AND NOT synced
RETURNING id
"""

SYNC_BATCH = 500


class ForeignTableSource(TableSource):
    """The user's table in another database."""

    has_position = True

    def __init__(self, processor_id: int, definition: Mapping[str, Any]) -> None:
        super().__init__(processor_id, definition)
        self.alias = definition["database"]
        self._fresh: set[int | None] = set()

    def claim(self, pick: Pick) -> list[Claimed]:
        self.position = pick.position
        self._fresh = set()
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
            try:
                keys = self._waiting_keys(pick, size)
            except (DatabaseError, InterfaceError) as error:
                if not can_pass(error):
                    raise
                # Outcomes may be committed together with this claim: they must not wait for it.
                logger.warning("nothing can be claimed in '%s': %s", self.alias, error)
                return []
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
        return [as_ref(row[0]) for row in s.dialect.fetch(sql, [*params, size])]

    def _insert(self, pick: Pick, keys: Sequence[Ref]) -> list[Claimed]:
        ours = self.ledger.dialect
        sql = INTEND.format(keys=KEYS_POSTGRES if ours.is_postgres else KEYS_SQLITE)
        now = ours.moment(pick.now)
        texts = ours.values([str(key) for key in keys])
        given = (self.processor_id, pick.batch_id, now, pick.batch_id, now, texts)
        ids = {key: id_ for id_, key in ours.fetch(sql, given)}
        self._fresh |= set(ids.values())
        return [
            Claimed(key, str(key), {}, visit=pick.batch_id, record_id=ids[str(key)])
            for key in keys
            if str(key) in ids
        ]

    def is_fresh(self, claimed: Claimed) -> bool:
        """Whether the last claim took it from the table, not from what we remember."""
        return claimed.record_id in self._fresh

    def confirm(self, claimed: list[Claimed]) -> list[Claimed]:
        """Read the rows again, now that nobody else of ours can take them.

        One that is gone was never ours, unless it waited for us: then its record says so.
        """
        failpoints.reach("foreign.after_claim")
        held = self._with_payload(claimed, "new")
        return [c for c in held if not is_missing(c) or not self.is_fresh(c)]

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
        found = list(rows.filter(id__in=ids).values_list("id", "key")) if ids else []
        found += rows.filter(key__in=keys).values_list("id", "key") if keys else []
        self._tell_owner(found)

    def reconcile(self, run_id: int) -> int:
        rows = Record.objects.filter(processor_id=self.processor_id, batch__run_id=run_id).untold()
        found = list(rows.order_by("id").values_list("id", "key")[:SYNC_BATCH])
        return self._tell_owner(found)

    def _tell_owner(self, found: Sequence[tuple[int, str]]) -> int:
        """Write outcomes to the user's table, then note that it knows them; how many were noted.

        The rows are read before the records: what a row shows then belongs to no later request.
        A row without a word of ours was told before, or its owner changed it: either way it is
        not ours to write.
        """
        if not found:
            return 0
        old = self.old_words([key for _, key in found])
        ids = [id_ for id_, _ in found]
        records = list(Record.objects.filter(id__in=ids).untold())
        refused = self._write_told([(r, old[r.key]) for r in records if r.key in old])
        failpoints.reach("foreign.after_done_before_synced")
        return self._note_synced([r for r in records if r.pk not in refused])

    def old_words(self, keys: Sequence[str]) -> Mapping[str, str]:
        """Key → what its row must show for an outcome to be written there."""
        return dict.fromkeys(keys, self.statements.words["new"])

    def _write_told(self, told: Sequence[tuple[Record, str]]) -> set[int]:
        """Write outcomes together; where the table refuses one of them, each by itself.

        The ids of those that it takes in no way: they are told again later.
        """
        try:
            self._write_outcomes(told)
        except DatabaseError as error:
            if can_pass(error) or is_broken(error):
                raise
            return {record.pk for record, old in told if not self._is_taken(record, old)}
        return set()

    def _is_taken(self, record: Record, old: str) -> bool:
        """Write one outcome: without its result where the table takes it only so."""
        for _again in range(2):
            try:
                self._write_outcomes([(record, old)])
            except DatabaseError as error:
                if can_pass(error):
                    raise
                said = clean_text(first_line(error), MESSAGE_LIMIT)
                record.result = None
                record.last_error = _("The table refused the outcome: %(said)s") % {"said": said}
                Record.objects.filter(pk=record.pk).update(last_error=record.last_error)
            else:
                return True
        logger.warning("record %s of '%s': %s", record.key, self.alias, record.last_error)
        return False

    def _write_outcomes(self, told: Sequence[tuple[Record, str]]) -> None:
        rows = [
            self.rows.told(
                self.statements.key_value(r.key), WORD_AFTER[r.state], r.result, r.last_error
            )
            for r, _ in told
        ]
        with transaction.atomic(using=self.alias):
            self.rows.tell_exactly(rows, [old for _, old in told], self.statements.told_columns)

    def _note_synced(self, records: Sequence[Record]) -> int:
        """A plain success needs no row of ours any more: its batch lists the key.

        One commit: a run may end as soon as nothing of it is untold, and leaves no such row.
        """
        with transaction.atomic():
            noted = self._noted([(r.pk, r.batch_id) for r in records])
            plain = Record.objects.filter(id__in=noted, synced=True)
            plain = plain.filter(state=RecordState.DONE, attempts=0, crashes=0, last_error="")
            plain.filter(history=None).delete()
        return len(noted)

    def _noted(self, pairs: Sequence[tuple[int, int | None]]) -> list[int]:
        """Records, each with its batch, that are told from now on and were not before."""
        ours = self.ledger.dialect
        if ours.is_postgres:
            given = [[id_ for id_, _ in pairs], [batch_id for _, batch_id in pairs]]
            return [row[0] for row in ours.fetch(TOLD_POSTGRES, given)]
        return [row[0] for row in ours.fetch(TOLD_SQLITE, [json.dumps(pairs)])]

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
            ).exclude(state__in=RECORD_SETTLED, synced=True)
            if open_.count() < len(keys):
                return True
        return False

    def backlog(self, cap: int) -> int:
        waiting = self._count_waiting(cap)
        held = Record.objects.filter(processor_id=self.processor_id)
        settled = held.filter(synced=False).count_to(cap)
        return max(0, waiting - settled)

    def restore(self, record_key: str) -> None:
        self.rows.move([self.statements.key_value(record_key)], "failed", "new")
