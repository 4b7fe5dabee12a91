"""The inbox: records that were published to us and live in our own table."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Max

from processors.models import Record
from processors.sources.base import Bounds, Claimed, Pick, Ref, Settlement, Source
from processors.sources.ledger import Ledger, claimed_from, remembered
from processors.states import RecordState

COUNT_CAP = 1_000_000  # beyond this, how many wait is not counted


class InboxSource(Source):
    """Every record is a row of our record table."""

    @property
    def ledger(self) -> Ledger:
        """This processor's part of the record table."""
        return Ledger(self.processor_id)

    def claim(self, pick: Pick) -> list[Claimed]:
        return self.ledger.claim(pick)

    def claim_alone(self, pick: Pick) -> list[Claimed]:
        return self.ledger.claim_alone(pick)

    def claim_statement(self) -> str | None:
        return self.ledger.claim_statement()

    def claimed_from(self, rows: Sequence[Sequence[Any]], now: datetime) -> list[Claimed]:
        return claimed_from(rows, now)

    def claim_in_lanes(self, pick: Pick, rooms: Sequence[tuple[int, int]]) -> list[Claimed]:
        return self.ledger.claim_in_lanes(pick, rooms)

    def set_aside(self, pick: Pick, found: Sequence[tuple[Claimed, int]]) -> None:
        self.ledger.set_aside(pick, [(claimed.ref, lane_id) for claimed, lane_id in found])

    def settle(self, settlement: Settlement) -> None:
        if settlement.done:
            self.ledger.settle_done(settlement)
        self.ledger.remember(settlement)

    def settle_one(
        self, claimed: Claimed, result: Any, batch_id: int
    ) -> tuple[str, list[Any]] | None:
        return self.ledger.settle_one(claimed.ref, result, batch_id)

    def in_hand(self, batch_id: int, refs: Sequence[Ref]) -> list[Claimed]:
        rows = Record.objects.filter(id__in=refs, batch_id=batch_id, state=RecordState.CLAIMED)
        return [remembered(record, record.pk) for record in rows]

    def suspect(self, settlement: Settlement) -> None:
        self.ledger.remember(settlement)

    def release(self, batch_id: int, refs: Sequence[Ref]) -> None:
        self.ledger.release(batch_id, refs)

    def bounds(self) -> Bounds:
        newest = Record.objects.aggregate(top=Max("id"))  # of all: the primary key knows it
        waiting = self.backlog(COUNT_CAP + 1)
        return Bounds(
            ceiling=str(newest["top"] or 0),
            limit=None,
            expected=waiting if waiting <= COUNT_CAP else None,
        )

    def has_claimable(self, pick: Pick) -> bool:
        return self.ledger.has_claimable(pick)

    def backlog(self, cap: int) -> int:
        return Record.objects.filter(processor_id=self.processor_id).count_waiting(cap)
