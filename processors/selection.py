"""Which failed records an operator means, in one place for lists, commands and acts on many."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef

from processors.models import Attempt, Processor, Record
from processors.querysets import RecordQuerySet


@dataclass(frozen=True)
class Selection:
    """Failed records by the kind of their last error, by when they failed, by id, processor, run.

    What is left out does not narrow; with nothing given, all of them. `state`: dead or parked.
    """

    fingerprint: str = ""
    since: datetime | None = None
    ids: tuple[int, ...] = ()
    processor_id: int | None = None
    run_id: int | None = None
    state: str = ""

    def rows(self) -> RecordQuerySet:
        """The records, in no order."""
        rows: RecordQuerySet = Record.objects.needing_attention()
        if self.processor_id is not None:
            rows = rows.filter(processor=self.processor_id)
        if self.fingerprint:
            rows = self.of_error(rows)
        if self.since:
            rows = rows.filter(failed_at__gte=self.since)
        if self.ids:
            rows = rows.filter(pk__in=self.ids)
        if self.run_id is not None:
            tried = Attempt.objects.filter(record=OuterRef("pk"), run=self.run_id)
            rows = rows.filter(Exists(tried))
        return rows.filter(state=self.state) if self.state else rows

    def of_error(self, rows: RecordQuerySet) -> RecordQuerySet:
        """Those with the kind of error; the index begins with the processor, so all are named."""
        if self.processor_id is None:
            every = list(Processor.objects.order_by().values_list("pk", flat=True))
            rows = rows.filter(processor__in=every)
        return rows.filter(fingerprint=self.fingerprint)

    def of(self, processor: Processor) -> list[int]:
        """The ids of a processor's, oldest first."""
        rows = self.rows().filter(processor=processor)
        return list(rows.order_by("pk").values_list("pk", flat=True))

    def as_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        given = {name: value for name, value in vars(self).items() if value}
        return given | ({"since": self.since.isoformat()} if self.since else {})

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "Selection":
        """A selection as it was kept."""
        since = given.get("since")
        return cls(
            **{
                **given,
                "since": datetime.fromisoformat(since) if since else None,
                "ids": tuple(given.get("ids", ())),
            }
        )
