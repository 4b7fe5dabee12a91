"""What an operator does with failed records: try again, discard, settle, or mend and retry."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from processors.acts import Act, Refused, log
from processors.afterwards import after_commit
from processors.clock import database_now
from processors.models import Processor, Record
from processors.models.door import Move
from processors.models.processor import TriggerKind
from processors.protocol import all_paused, cycles
from processors.screening import InvalidRecord, check_payload
from processors.selection import Selection as Selection  # noqa: PLC0414 - for whoever treats them
from processors.sources import SourceTrouble, open_source
from processors.sources.base import Source, SourceChanged
from processors.sources.connecting import Unreachable
from processors.states import NEEDS_ATTENTION, ProcessorState, RecordState

MANAGE_DEAD = "processors.manage_dead_records"
EDIT_PAYLOAD = "processors.edit_payload"
REPROCESS = "processors.reprocess_record"
BULK = 500  # records that one transaction moves


@dataclass(frozen=True)
class Treatment:
    """One thing that can be done to failed records, and to the rows they stand for."""

    done: Any  # translated when it is shown
    move: Callable[[Record, Move], None]
    tell: Callable[[Source, str], None]
    only: str = ""


TREATMENTS = {
    "retry": Treatment(
        gettext_lazy("retried"), Record.retry, lambda source, key: source.restore(key)
    ),
    "discard": Treatment(
        gettext_lazy("discarded"), Record.discard, lambda source, key: source.discard(key)
    ),
    "settle": Treatment(
        gettext_lazy("marked as done"),
        Record.settle,
        lambda source, key: source.complete(key),
        only=RecordState.PARKED,
    ),
}

# What to do with a record for which the asked act is the wrong one.
INSTEAD = {
    RecordState.READY: gettext_lazy("It waits already, and is handled by itself."),
    RecordState.CLAIMED: gettext_lazy(
        "Wait for its outcome, or stop its processor by force to take it back."
    ),
    RecordState.DONE: gettext_lazy("To have it handled anew, reprocess it."),
    RecordState.SKIPPED: gettext_lazy("To have it handled anew, reprocess it."),
    RecordState.DEAD: gettext_lazy("Retry or discard it."),
    RecordState.PARKED: gettext_lazy("Retry it, discard it, or mark it as done."),
}


def retry(processor_id: int, act: Act, selection: Selection) -> int:
    """Failed records are tried again with fresh attempts, under the same idempotency key."""
    return treat("retry", replace(selection, processor_id=processor_id), act)


def discard(processor_id: int, act: Act, selection: Selection) -> int:
    """Failed records are not to be handled any more."""
    return treat("discard", replace(selection, processor_id=processor_id), act)


def treat(what: str, selection: Selection, act: Act) -> int:
    """Do one of TREATMENTS to the records that failed before now; how many were moved.

    Raises PermissionDenied, Refused, or Processor.DoesNotExist for one the person may not see.
    """
    act.require(MANAGE_DEAD)
    if selection.processor_id is not None:
        act.find(selection.processor_id)
    before, moved = last_failure(selection, act), Counter[int]()
    while some := treat_some(what, selection, act, before):
        moved += some
    conclude(what, moved, act)
    return moved.total()


def last_failure(selection: Selection, act: Act) -> datetime:
    """Until when they have failed: now, or later where the clock went back since."""
    rows, now = open_to(act, selection).order_by("-failed_at", "-id"), database_now()
    newest: datetime | None = rows.values_list("failed_at", flat=True).first()
    return max(now, newest) if newest else now


def treat_some(what: str, selection: Selection, act: Act, before: datetime) -> Counter[int]:
    """Some hundred of them in one transaction: how many by processor; empty when none is left.

    Those that failed after `before` are left out, or what fails again at once would be retried
    for ever. Raises Refused where their table cannot be written.
    """
    rows = open_to(act, selection).filter(failed_at__lte=before)
    if TREATMENTS[what].only:
        rows = rows.filter(state=TREATMENTS[what].only)
    with transaction.atomic():
        chosen = rows.order_by("-failed_at", "-id").values_list("pk", flat=True)[:BULK]
        return move_records(list(chosen), act, TREATMENTS[what])


def open_to(act: Act, selection: Selection) -> Any:
    """The selected records, as far as the person may know of them."""
    rows = selection.rows()
    if act.trusted:
        return rows
    if act.actor.user is None:
        raise PermissionDenied(_("You do not have the right to do this."))
    return rows.visible_to(act.actor.user)


def move_records(ids: list[int], act: Act, treatment: Treatment) -> Counter[int]:
    """Move those that nobody moved first; the user's rows follow."""
    moved: Counter[int] = Counter()
    now, sources = database_now(), {}
    rows = Record.objects.select_for_update(no_key=True).filter(pk__in=ids).needing_attention()
    processors = Processor.objects.in_bulk(set(rows.values_list("processor_id", flat=True)))
    for record in rows.order_by("pk"):
        processor = record.processor = processors[record.processor_id]
        if processor.pk not in sources:
            sources[processor.pk] = open_source(processor.pk, processor.source)
        treatment.move(record, act.at(now))
        tell(processor, lambda: treatment.tell(sources[processor.pk], record.key))  # noqa: B023
        moved[processor.pk] += 1
    return moved


def tell(processor: Processor, write: Callable[[], Any]) -> Any:
    """Write to the user's table. Raises Refused where that cannot be done."""
    try:
        return write()
    except (DatabaseError, Unreachable, SourceTrouble) as error:
        raise Refused(
            _(
                "The table of %(processor)s cannot be written (%(name)s): what was not done "
                "yet is left alone. Try again when its database answers."
            )
            % {"processor": processor, "name": type(error).__name__}
        ) from error


def conclude(what: str, moved: Counter[int], act: Act) -> None:
    """Django's log, and no waiting for what is to be tried again."""
    for processor in Processor.objects.filter(pk__in=moved):
        log(
            act,
            processor,
            ngettext(
                "%(count)s failed record was %(done)s.",
                "%(count)s failed records were %(done)s.",
                moved[processor.pk],
            )
            % {"count": moved[processor.pk], "done": TREATMENTS[what].done},
        )
        if what == "retry":
            look_soon(processor)


def what_it_waits_for(processor: Processor) -> str:
    """Behind "is tried again.": who must act first, while nothing of `processor` is begun."""
    if all_paused.is_on():
        waits = _(" Everything is paused: %(processor)s goes on when that ends.")
        return waits % {"processor": processor}
    if processor.is_started:
        return ""
    if processor.state == ProcessorState.PAUSED:
        return _(" %(processor)s is paused: resume it to go on.") % {"processor": processor}
    return _(" Start or run %(processor)s to go on.") % {"processor": processor}


# One record


def treat_record(what: str, record: Record, act: Act) -> str:
    """One failed record; raises Refused for any other."""
    treatment = TREATMENTS[what]
    require_failed(record, treatment.done, treatment.only)
    treat(what, Selection(ids=(record.pk,), processor_id=record.processor_id), act)
    if what == "retry":
        return _("Record %(key)s is tried again.%(waits)s") % {
            "key": record.key,
            "waits": what_it_waits_for(record.processor),
        }
    return _("Record %(key)s was %(done)s.") % {"key": record.key, "done": treatment.done}


def edit_and_retry(record: Record, payload: Any, act: Act, *, visit: str) -> str:
    """Another payload for a failed record of an inbox: a new request for the same key.

    `visit`: the request that the person saw. Raises PermissionDenied, Refused.
    """
    act.require(MANAGE_DEAD)
    act.require(EDIT_PAYLOAD)
    with transaction.atomic():
        record = locked(record, act)
        require_failed(record, "retried")
        if str(record.visit) != visit:
            raise Refused(
                _("Record %(key)s was changed meanwhile: look at it again.") % {"key": record.key}
            )
        if record.processor.source_kind != "inbox":
            raise Refused(
                _("Record %(key)s is a row of a table: change the row there, then retry it.")
                % {"key": record.key}
            )
        try:
            check_payload(payload)
        except InvalidRecord as error:
            raise Refused(_("%(error)s Nothing was changed.") % {"error": error}) from error
        record.edit(payload, act.at(database_now()))
        log(
            act,
            record.processor,
            _("Record %(key)s was edited and is tried again.") % {"key": record.key},
        )
    look_soon(record.processor)
    waits = what_it_waits_for(record.processor)
    return _("Record %(key)s was edited and is tried again.%(waits)s") % {
        "key": record.key,
        "waits": waits,
    }


def reprocess(record: Record, act: Act) -> str:
    """A finished record is handled anew, as a new request for the same key.

    Raises PermissionDenied, Refused.
    """
    act.require(REPROCESS)
    with transaction.atomic():
        record = locked(record, act)
        if record.state not in (RecordState.DONE, RecordState.SKIPPED):
            raise Refused(
                _(
                    "Record %(key)s is %(state)s: only a finished record can be reprocessed. "
                    "%(instead)s"
                )
                % {
                    "key": record.key,
                    "state": record.get_state_display().lower(),
                    "instead": INSTEAD[RecordState(record.state)],
                }
            )
        reopen(record, act)
        log(act, record.processor, _("Record %(key)s is reprocessed.") % {"key": record.key})
    look_soon(record.processor)
    return _("Record %(key)s is handled anew.") % {"key": record.key}


def reopen(record: Record, act: Act) -> None:
    """The record, or the row it stands for, waits as new."""
    source = open_source(record.processor_id, record.processor.source)
    try:
        is_done = tell(record.processor, lambda: source.reopen(record.key))
    except SourceChanged as error:
        raise Refused(
            _("The row of record %(key)s is not finished any more: its owner changed it.")
            % {"key": record.key}
        ) from error
    if is_done:
        record.note_reprocessing(act.at(database_now()))
    else:
        record.reprocess(act.at(database_now()))


def locked(record: Record, act: Act) -> Record:
    """The record as it is now, for nobody else to move, with a processor the person may see."""
    found: Record = Record.objects.select_for_update(no_key=True).get(pk=record.pk)
    found.processor = act.find(found.processor_id)
    return found


def require_failed(record: Record, what: str, only: str = "") -> None:
    """Raise Refused, by name, for a record that waits for nobody."""
    if record.state not in ({only} if only else NEEDS_ATTENTION):
        wanted = RecordState(only).label.lower() if only else "failed"
        raise Refused(
            _("Record %(key)s is %(state)s: only a %(wanted)s record can be %(what)s. %(instead)s")
            % {
                "key": record.key,
                "state": record.get_state_display().lower(),
                "wanted": wanted,
                "what": what,
                "instead": INSTEAD[RecordState(record.state)],
            }
        )


def look_soon(processor: Processor) -> None:
    """Retried records are due: a started processor takes them up without waiting for its time."""
    now = database_now()
    rows = Processor.objects.filter(pk=processor.pk, state=ProcessorState.STARTED)
    rows.exclude(trigger_kind=TriggerKind.INTERVAL).update(next_due_at=now)
    after_commit(lambda: cycles.begin_due(processor.pk), f"the next cycle of {processor}")
