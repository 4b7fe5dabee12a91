"""Mode A: a table of the user's in our own database.

Claim and outcome are part of the batch's transaction, so the user's status column and our books
can never disagree. Our record table remembers only what is not a plain success.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any

from processors.models import Record
from processors.sources.base import (
    Bounds,
    Claimed,
    Pick,
    Ref,
    Settlement,
    Source,
    SourceChanged,
)
from processors.sources.changed import MISSING
from processors.sources.inbox import COUNT_CAP
from processors.sources.ledger import Ledger, remembered
from processors.sources.statements import Statements
from processors.sources.user_rows import UserRows
from processors.states import RecordState


class TableSource(Source):
    """The user's table in our database."""

    @cached_property
    def rows(self) -> UserRows:
        """The table's own."""
        return UserRows(self.definition)

    @property
    def statements(self) -> Statements:
        """The SQL for this table."""
        return self.rows.statements

    @property
    def ledger(self) -> Ledger:
        """What we remember of this table's records."""
        return Ledger(self.processor_id)

    def claim(self, pick: Pick) -> list[Claimed]:
        if self.ledger.is_empty:
            return [] if pick.ledger_only else self._claim_new(pick, pick.size)
        waiting = self._with_payload(self.ledger.claim(without_ceiling(pick)))
        if pick.ledger_only or len(waiting) >= pick.size:
            return waiting
        return waiting + self._adopt(self._claim_new(pick, pick.size - len(waiting)), pick)

    def claim_alone(self, pick: Pick) -> list[Claimed]:
        return self._with_payload(self.ledger.claim_alone(pick))

    def claim_in_lanes(self, pick: Pick, rooms: Sequence[tuple[int, int]]) -> list[Claimed]:
        return self._with_payload(self.ledger.claim_in_lanes(pick, rooms))

    def set_aside(self, pick: Pick, found: Sequence[tuple[Claimed, int]]) -> None:
        known = [(c.record_id, lane_id) for c, lane_id in found if c.record_id is not None]
        self.ledger.set_aside(pick, known)
        self.ledger.note_aside(pick, [one for one in found if one[0].record_id is None])

    def _claim_new(self, pick: Pick, size: int) -> list[Claimed]:
        rows = self.rows.read(*self.statements.claim(size, pick.ceiling))
        if not self.definition.get("order"):
            rows.sort(key=itemgetter(0))
        # The batch that first took a row names this request for its key.
        visit = pick.batch_id
        return [Claimed(ref, str(ref), payload, visit) for ref, payload in rows]

    def _adopt(self, found: list[Claimed], pick: Pick) -> list[Claimed]:
        """Rows that are new for their owner but of which we remember something.

        Set back to new after we had finished: a new request. While it waited for another try:
        the same request, tried now. While it is in hand: left to those hands.
        """
        by_key = {claimed.key: claimed for claimed in found}
        for record in Record.objects.filter(processor_id=self.processor_id, key__in=by_key):
            claimed = by_key[record.key]
            if record.state == RecordState.CLAIMED:
                found.remove(claimed)
                continue
            if record.state == RecordState.READY:
                claimed.visit, claimed.attempts = record.visit, record.attempts
                claimed.crashes, claimed.maybe_seen = record.crashes, record.maybe_seen
            claimed.record_id = record.pk
            take_up(record, claimed, pick)
        return found

    def _with_payload(self, held: list[Claimed], word: str = "claimed") -> list[Claimed]:
        """Remembered records with their rows, each of which must still have its status."""
        if not held:
            return []
        keys = [self.statements.key_value(claimed.key) for claimed in held]
        rows = dict(self.rows.read(*self.statements.rows(keys, word)))
        for claimed, key in zip(held, keys, strict=True):
            claimed.ref = key
            claimed.payload = rows.get(key, MISSING)
        return held

    def settle(self, settlement: Settlement) -> None:
        told = self.definition.get("result")
        plain = [c.ref for c, result in settlement.done if result is None or not told]
        rows = [
            self.rows.told(c.ref, "done", result, None)
            for c, result in settlement.done
            if told and result is not None
        ]
        rows += [
            self.rows.told(c.ref, WORD_AFTER[o.kind], o.result, o.message)
            for c, o in settlement.others
            if o.kind in WORD_AFTER and c.payload is not MISSING
        ]
        changed = self.rows.move(plain, "claimed", "done") + self.rows.tell(rows, "claimed")
        if changed:
            raise SourceChanged(changed)
        self._forget(settlement)
        self.ledger.remember(settlement)

    def settle_one(
        self, claimed: Claimed, result: Any, batch_id: int
    ) -> tuple[str, list[Any]] | None:
        if claimed.record_id is not None or not self.statements.dialect.is_postgres:
            return None
        words = self.statements.words
        if result is None or not self.definition.get("result"):
            return self.statements.finish, [words["done"], claimed.ref, words["claimed"]]
        told = self.rows.told(claimed.ref, "done", result, None)
        return self.statements.tell("claimed"), [*told, words["claimed"]]

    def _forget(self, settlement: Settlement) -> None:
        """Remembered records that succeeded in the end: say so in our books."""
        known = [c.record_id for c, _ in settlement.done if c.record_id is not None]
        if known:
            Record.objects.filter(id__in=known, batch_id=settlement.batch_id).update(
                state=RecordState.DONE, settled_at=settlement.now, alone=False, last_error=""
            )

    def in_hand(self, batch_id: int, refs: Sequence[Ref]) -> list[Claimed]:
        rows = Record.objects.filter(
            processor_id=self.processor_id,
            key__in=[str(ref) for ref in refs],
            batch_id=batch_id,
            state=RecordState.CLAIMED,
        )
        known = {record.key: record for record in rows}
        return [
            remembered(known[str(ref)], ref)
            if str(ref) in known
            else Claimed(ref, str(ref), {}, visit=batch_id)
            for ref in refs
        ]

    def suspect(self, settlement: Settlement) -> None:
        rows = [
            self.rows.told(c.ref, WORD_AFTER[o.kind], o.result, o.message)
            for c, o in settlement.others
            if o.kind in WORD_AFTER
        ]
        self.rows.tell(rows, "claimed")  # a row that its owner changed is not ours to set
        self.ledger.remember(settlement)

    def release(self, batch_id: int, refs: Sequence[Ref]) -> None:
        held = self.in_hand(batch_id, refs)
        ours = [claimed.record_id for claimed in held if claimed.record_id is not None]
        if ours:
            self.ledger.release(batch_id, ours)
        self.rows.move([c.ref for c in held if c.record_id is None], "claimed", "new")

    def bounds(self) -> Bounds:
        waiting = self.backlog(COUNT_CAP + 1)
        expected = waiting if waiting <= COUNT_CAP else None
        if self.definition.get("key_type") != "integer":
            return Bounds(ceiling=None, limit=expected, expected=expected)
        sql = f"SELECT max({self.statements.key}) FROM {self.statements.table}"
        top = self.statements.dialect.fetch(sql, [])[0][0]
        return Bounds(ceiling=str(top or 0), limit=None, expected=expected)

    def has_claimable(self, pick: Pick) -> bool:
        if self.ledger.has_claimable(without_ceiling(pick)):
            return True
        return not pick.ledger_only and self._has_new(pick)

    def _has_new(self, pick: Pick) -> bool:
        where, params = self.statements.waiting(ceiling=pick.ceiling, position=pick.position)
        sql = f"SELECT 1 FROM {self.statements.table} WHERE {where} LIMIT 1"
        return bool(self.statements.dialect.fetch(sql, params))

    def backlog(self, cap: int) -> int:
        waiting = self._count_waiting(cap)
        remembered = Record.objects.filter(processor_id=self.processor_id)
        return min(cap, waiting + remembered.count_waiting(cap))

    def _count_waiting(self, cap: int) -> int:
        where, params = self.statements.waiting()
        first = f"SELECT 1 FROM {self.statements.table} WHERE {where} LIMIT %s"
        sql = f"SELECT count(*) FROM ({first}) AS first_rows"
        return int(self.statements.dialect.fetch(sql, [*params, cap])[0][0])

    def restore(self, record_key: str) -> None:
        self.rows.move([self.statements.key_value(record_key)], "failed", "claimed")

    def discard(self, record_key: str) -> None:
        # Without a word of its own, a discarded row stays failed: it was not handled.
        word = "skipped" if self.statements.words.get("skipped") else "failed"
        keys = [self.statements.key_value(record_key)]
        # A row that refused its failed word still has that of a claim.
        if self.rows.move(keys, "failed", word):
            self.rows.move(keys, "claimed", word)

    def complete(self, record_key: str) -> None:
        keys = [self.statements.key_value(record_key)]
        if self.rows.move(keys, "failed", "done"):
            self.rows.move(keys, "claimed", "done")

    def reopen(self, record_key: str) -> bool:
        keys = [self.statements.key_value(record_key)]
        changed = self.rows.move(keys, "done", "new")
        if changed and self.statements.words.get("skipped"):
            changed = self.rows.move(keys, "skipped", "new")
        if changed:
            raise SourceChanged(changed)
        return True

    def look_up(self, record_key: str) -> dict[str, Any] | None:
        rows = self.rows.read(*self.statements.row(self.statements.key_value(record_key)))
        return rows[0][1] if rows else None


WORD_AFTER: Mapping[str, str] = {
    "done": "done",
    "skipped": "skipped",
    "dead": "failed",
    "parked": "failed",
}


def take_up(record: Record, claimed: Claimed, pick: Pick) -> None:
    """What we remember of a row goes into the batch that claimed it."""
    Record.objects.filter(pk=record.pk).update(
        state=RecordState.CLAIMED,
        batch_id=pick.batch_id,
        visit=claimed.visit,
        attempts=claimed.attempts,
        crashes=claimed.crashes,
        alone=False,
        lane=None,
    )


def without_ceiling(pick: Pick) -> Pick:
    """What we remember is bounded by its time alone: the ceiling is one of the user's keys."""
    return Pick(pick.batch_id, pick.size, pick.now)
