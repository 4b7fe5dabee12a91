"""When a processor's next cycle may begin: what its trigger asks for, and what waits for a try."""

from datetime import datetime, timedelta

from django.db.models import Min

from processors import schedules
from processors.models import IN_LANE, Processor, Record
from processors.models.processor import TriggerKind
from processors.states import ProcessorState

# How often an inbox that is handled on arrival is looked at without being told: the safety net
# for a record that was published in the moment a cycle ended.
LOOK_AGAIN_SECONDS = 5


def arm(processor: Processor, now: datetime, kept: datetime | None = None) -> None:
    """Set when the next cycle may begin, as trigger, backlog and waiting tries ask for it.

    `kept`: the trigger's own time, where that has passed and is still to be kept.
    """
    slot = kept or next_slot(processor, now)
    due = slot
    if processor.trigger_kind != TriggerKind.INTERVAL:
        deferred = earliest_deferred(processor)
        due = min((time for time in (slot, deferred) if time is not None), default=None)
    Processor.objects.filter(pk=processor.pk).update(next_slot_at=slot)
    processor.next_slot_at = slot
    processor.arm(due, looked_at=now)


def next_slot(processor: Processor, now: datetime) -> datetime | None:
    """The time the trigger itself asks for, None where only a person does."""
    kind = processor.trigger_kind
    if kind == TriggerKind.INTERVAL:
        return now + timedelta(seconds=processor.pause_seconds)
    if kind == TriggerKind.ARRIVAL:
        return now + timedelta(seconds=LOOK_AGAIN_SECONDS)
    if kind == TriggerKind.CRON:
        return schedules.next_slot(processor.cron, processor.time_zone, now)
    return None


def earliest_deferred(processor: Processor) -> datetime | None:
    """When the first record that waits for another try may be tried.

    On arrival, also when the first that is new may be: it waits for a later time.
    """
    records = Record.objects.filter(processor=processor, available_at__lt=IN_LANE)
    if processor.trigger_kind != TriggerKind.ARRIVAL:
        records = records.tried()
    earliest = (
        rows.aggregate(first=Min("available_at"))["first"] for rows in records.in_their_indexes()
    )
    return min((at for at in earliest if at is not None), default=None)


def rearm_after_clock_change(now: datetime) -> None:
    """Looks and pauses that lie further ahead than they are ever set: the clock went back.

    Further by some seconds, because a cycle that ends at this moment sets a time that is later
    than what `now` lets expect. Set times and tries that wait cannot be told from those that
    somebody wished for.
    """
    margin = timedelta(seconds=2 * LOOK_AGAIN_SECONDS)
    soonest = now + margin
    far = Processor.objects.filter(state=ProcessorState.STARTED, next_slot_at__gt=soonest)
    kinds = (TriggerKind.ARRIVAL, TriggerKind.INTERVAL)
    for processor in far.filter(trigger_kind__in=kinds).only("trigger_kind", "pause_seconds"):
        slot, bound = (next_slot(processor, at) for at in (now, now + margin))
        # Asked once more: who was stopped meanwhile is not due.
        late = far.filter(pk=processor.pk, next_slot_at__gt=bound)
        late.update(next_slot_at=slot, next_due_at=slot)
