"""What an operator does with failed records: try them again, or discard them."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from processors.clock import database_now
from processors.control import Act, Refused, log
from processors.models import Processor, Record
from processors.models.processor import TriggerKind
from processors.protocol import cycles
from processors.sources import open_source
from processors.states import NEEDS_ATTENTION, ProcessorState

MANAGE_DEAD = "processors.manage_dead_records"


@dataclass(frozen=True)
class Selection:
    """Which failed records of a processor: by the kind of error, by time, by id; or all."""

    fingerprint: str = ""
    since: datetime | None = None
    ids: tuple[int, ...] = ()

    def of(self, processor: Processor) -> "list[int]":
        """Their ids, oldest first."""
        rows = Record.objects.filter(processor=processor).needing_attention()
        if self.fingerprint:
            rows = rows.filter(history__fingerprint=self.fingerprint)
        if self.since:
            rows = rows.filter(failed_at__gte=self.since)
        if self.ids:
            rows = rows.filter(pk__in=self.ids)
        return list(rows.order_by("pk").values_list("pk", flat=True).distinct())


BULK = 500  # records that one transaction moves


def retry(processor_id: int, act: Act, selection: Selection) -> int:
    """Failed records are tried again with fresh attempts, under the same idempotency key."""
    return treat_dead(processor_id, act, selection, "retried")


def discard(processor_id: int, act: Act, selection: Selection) -> int:
    """Failed records are not to be handled any more."""
    return treat_dead(processor_id, act, selection, "discarded")


def treat_dead(processor_id: int, act: Act, selection: Selection, what: str) -> int:
    """Retry or discard, a few hundred to a transaction; how many were moved."""
    act.require(MANAGE_DEAD)
    processor = act.find(processor_id)
    ids, moved = selection.of(processor), 0
    for at in range(0, len(ids), BULK):
        with transaction.atomic():
            moved += move_records(processor, ids[at : at + BULK], act, what)
    if moved:
        log(act, processor, f"{moved} failed record(s) were {what}.")
        if what == "retried":
            look_soon(processor)
    return moved


def move_records(processor: Processor, ids: list[int], act: Act, what: str) -> int:
    """Move those that nobody moved first; the user's rows follow."""
    now, source, moved = database_now(), open_source(processor.pk, processor.source), 0
    rows = Record.objects.select_for_update(no_key=True).filter(pk__in=ids).needing_attention()
    for record in rows:
        record.processor = processor
        if what == "retried":
            record.retry(act.at(now))
            source.restore(record.key)
        else:
            record.discard(act.at(now))
            source.discard(record.key)
        moved += 1
    return moved


def retry_record(record: Record, act: Act) -> str:
    """One failed record; raises Refused for any other."""
    require_failed(record, "retried")
    retry(record.processor_id, act, Selection(ids=(record.pk,)))
    return f"Record {record.key} is tried again."


def discard_record(record: Record, act: Act) -> str:
    """One failed record; raises Refused for any other."""
    require_failed(record, "discarded")
    discard(record.processor_id, act, Selection(ids=(record.pk,)))
    return f"Record {record.key} was discarded."


def require_failed(record: Record, what: str) -> None:
    """Raise Refused, by name, for a record that waits for nobody."""
    if record.state not in NEEDS_ATTENTION:
        raise Refused(
            f"Record {record.key} is {record.get_state_display().lower()}: only a failed record "
            f"can be {what}."
        )


def look_soon(processor: Processor) -> None:
    """Retried records are due: a started processor takes them up without waiting for its time."""
    now = database_now()
    rows = Processor.objects.filter(pk=processor.pk, state=ProcessorState.STARTED)
    rows.exclude(trigger_kind=TriggerKind.INTERVAL).update(next_due_at=now)
    transaction.on_commit(lambda: cycles.begin_due(processor.pk), robust=True)
