"""Mode B: a table in another database, whose status column has room for a token.

As in mode C a row of our record table, committed first, is the claim. Then the user's row is
marked with the token of the batch, and whatever is written to it later is written only where
that very mark still stands: what its owner changes meanwhile is never overwritten, and a row
that he resets to new is a new request, however late a worker wakes up.

A row is marked as long as its record is in hand, waits for another try, or has an outcome that
was not told yet. Every other mark is a stray, left by a process that died between two commits or
woke up late: `sweep` makes it new again.
"""

import logging
import random
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from django.db import DatabaseError, InterfaceError, transaction

from processors import failpoints
from processors.afterwards import after_commit
from processors.models import Installation, Record
from processors.sources.base import Claimed, Pick, Ref, Settlement
from processors.sources.changed import MISSING, is_missing
from processors.sources.foreign import ForeignTableSource
from processors.sources.marking import MarkStatements
from processors.sources.marks import BATCH_DIGITS, Marks
from processors.sources.user_rows import as_ref
from processors.states import RECORD_SETTLED

logger = logging.getLogger(__name__)

SWEEP_ROWS = 500  # marked rows that one sweep looks at


class MarkedTableSource(ForeignTableSource):
    """The user's table in another database, its rows in hand marked."""

    @cached_property
    def statements(self) -> MarkStatements:
        """The SQL for this table."""
        return MarkStatements(self.definition)

    @cached_property
    def marks(self) -> Marks:
        """The marks of this processor."""
        word = self.statements.words["claimed"]
        return Marks(word, str(Installation.this().identity), self.processor_id)

    # Claim

    def claim(self, pick: Pick) -> list[Claimed]:
        self._batch_id = pick.batch_id
        return super().claim(pick)

    def confirm(self, claimed: list[Claimed]) -> list[Claimed]:
        """Mark the rows, now that nobody else of ours can take them."""
        failpoints.reach("foreign.after_claim")
        if not claimed:
            return []
        mark = self.marks.of(self._batch_id)
        new = [c for c in claimed if self.is_fresh(c)]
        known = [c for c in claimed if not self.is_fresh(c)]
        # Our own mark as well: the answer to an earlier try may have been lost.
        rows = self._mark(new, [self.statements.words["new"], mark], mark)
        rows |= self._mark(known, self._open_to(known), mark)
        for one in claimed:
            one.payload = rows.get(one.ref, MISSING)
        failpoints.reach("foreign.after_mark")
        return [c for c in claimed if not is_missing(c) or not self.is_fresh(c)]

    def _mark(
        self, claimed: Sequence[Claimed], old: Sequence[str], mark: str
    ) -> dict[Ref, dict[str, Any]]:
        """Mark rows that have one of the old statuses; those it found with their payload."""
        if not claimed:
            return {}
        sql, params = self.statements.mark([c.ref for c in claimed], old, mark)
        with transaction.atomic(using=self.alias):
            return dict(self.rows.read(sql, params))

    def _open_to(self, known: Sequence[Claimed]) -> list[str]:
        """What the rows of remembered records may show: new, or a mark of an earlier try.

        Of a record that a person had tried again also failed: the row may not know of it yet.
        """
        words = self.statements.words
        retried = any(c.maybe_seen and not c.attempts and not c.crashes for c in known)
        marks = self._marks_on([c.key for c in known]).values()
        return list({words["new"], *marks, *([words["failed"]] if retried else [])})

    def _marks_on(self, keys: Sequence[str]) -> dict[str, str]:
        """Key → mark, of those rows that have one of ours."""
        if not keys:
            return {}
        found = self.statements.statuses([self.statements.key_value(key) for key in keys])
        rows = self.statements.dialect.fetch(*found)
        return {str(as_ref(key)): status for key, status in rows if self.marks.is_own(status)}

    # Outcomes

    def changed(self, settlement: Settlement) -> list[Ref]:
        refs = [c.ref for c, _ in (*settlement.done, *settlement.others) if not is_missing(c)]
        if not refs:
            return []
        sql, params = self.statements.with_status(refs, self.marks.of(settlement.batch_id))
        try:
            found = {as_ref(row[0]) for row in self.statements.dialect.fetch(sql, params)}
        except (DatabaseError, InterfaceError) as error:
            # Not knowing is no reason to lose what was done: the table is told when it is back.
            logger.warning("'%s' cannot be looked at: %s", self.alias, error)
            return []
        return [ref for ref in refs if ref not in found]

    def old_words(self, keys: Sequence[str]) -> Mapping[str, str]:
        return self._marks_on(keys)

    # Giving back

    def release(self, batch_id: int, refs: Sequence[Ref]) -> None:
        super().release(batch_id, refs)
        after_commit(lambda: self._unmark(batch_id, refs), "giving marked rows back")

    def _unmark(self, batch_id: int, refs: Sequence[Ref]) -> None:
        """Rows that were given back are new again; those that wait for another try stay marked."""
        waiting = Record.objects.filter(
            processor_id=self.processor_id, key__in=[str(ref) for ref in refs]
        )
        kept = set(waiting.values_list("key", flat=True))
        self._set([(ref, self.marks.of(batch_id)) for ref in refs if str(ref) not in kept], "new")

    def _set(self, rows: Sequence[tuple[Ref, str]], word: str) -> int:
        """Rows that have exactly these statuses get a word; how many."""
        if not rows:
            return 0
        statuses = [[self.statements.word(word)]] * len(rows)
        told = [[*values, ref] for values, (ref, _) in zip(statuses, rows, strict=True)]
        columns = [self.definition["status"]]
        with transaction.atomic(using=self.alias):
            return self.rows.tell_exactly(told, [old for _, old in rows], columns)

    def restore(self, record_key: str) -> None:
        ref, failed = self.statements.key_value(record_key), self.statements.word("failed")
        sql, params = self.statements.mark([ref], [failed], self.marks.held)
        # After the commit: a row must not be held for a retry that never was.
        after_commit(lambda: self.statements.dialect.fetch(sql, params), "holding a row")

    def discard(self, record_key: str) -> None:
        super().discard(record_key)
        word = "skipped" if self.statements.words.get("skipped") else "failed"
        marks = self._marks_on([record_key])
        self._set([(self.statements.key_value(key), mark) for key, mark in marks.items()], word)

    # Strays

    def strays(self) -> list[tuple[Ref, str]]:
        """Rows whose mark belongs to nobody, with that mark; looks at so many and no more.

        The rows are read before the records: a claim is committed before its mark is written, so
        a mark without an open record is a stray for good.
        """
        rows = self._window()
        if not rows:
            return []
        mine = Record.objects.filter(
            processor_id=self.processor_id, key__in=[str(ref) for ref, _ in rows]
        )
        is_open = {r.key for r in mine if r.state not in RECORD_SETTLED or not r.synced}
        return [(ref, mark) for ref, mark in rows if str(ref) not in is_open]

    def sweep(self) -> int:
        strays, held = self.strays(), self.marks.held
        swept = self._set([stray for stray in strays if stray[1].rstrip() != held], "new")
        swept += self._set([stray for stray in strays if stray[1].rstrip() == held], "failed")
        if swept:
            logger.warning("%s row(s) were in hand of nobody and are new again", swept)
        return swept

    def _window(self) -> list[tuple[Ref, str]]:
        """Some marked rows, from a random mark on: so each has its turn where there are many."""
        first, last = self.marks.first, self.marks.last
        start = self.marks.prefix + str(random.randrange(10**BATCH_DIGITS)).zfill(BATCH_DIGITS)  # noqa: S311
        rows = self._between(start, last, SWEEP_ROWS)
        if len(rows) < SWEEP_ROWS:
            rows += self._between(first, start, SWEEP_ROWS - len(rows))
        return list(dict.fromkeys(rows))

    def _between(self, first: str, last: str, limit: int) -> list[tuple[Ref, str]]:
        sql, params = self.statements.between(first, last, limit)
        found = self.statements.dialect.fetch(sql, params)
        return [(as_ref(key), status) for key, status in found if self.marks.is_own(status)]

    # Counting

    def backlog(self, cap: int) -> int:
        tried = (  # their rows are marked, not new
            Record.objects.filter(processor_id=self.processor_id).tried().count_waiting(cap)
        )
        return min(cap, self._count_waiting(cap) + tried)
