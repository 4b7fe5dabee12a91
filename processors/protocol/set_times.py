"""When the next cycle begins, and a cron's set times that were not kept.

One run stands for those, or they are skipped.
"""

from datetime import datetime, timedelta

from django.utils.translation import ngettext

from processors import schedules
from processors.models import Event, Processor, Run
from processors.models.door import Move
from processors.models.processor import Misfire, TriggerKind
from processors.protocol import allowances
from processors.protocol.arming import earliest_deferred

# A set time counts as missed when it could not be kept for this long.
LATE_SECONDS = 60
BLACKOUTS = 30  # that cover a set time each, one after the other: beyond them nobody looks
FEW = 10_000  # records of which one is looked for that waits for its time


def next_start(processor: Processor, waiting: int | None) -> datetime | None:
    """When the next cycle of a processor without a run begins; None where nothing has a time.

    On arrival only a record that waits for its time has one: another try, or a delay. What is
    looked at meanwhile, in case a wake-up was lost, is no start.
    """
    due = processor.next_due_at
    if due is not None and processor.trigger_kind == TriggerKind.ARRIVAL:
        due = earliest_deferred(processor) if 0 < (waiting or 0) <= FEW else None
    return begins_at(processor, due) if due else None


def late_reason(processor: Processor, slot: datetime, how: Move) -> str | None:
    """What the run of a due set time stands for beside it; None where it is to be skipped."""
    missed = missed_times(processor, slot, how.now)
    if not missed:
        return ""
    if processor.misfire == Misfire.SKIP:
        told = ngettext(
            "%(missed)s set time passed while nothing could run",
            "%(missed)s set times passed while nothing could run",
            missed,
        )
        note_missed(processor, how, told % {"missed": missed})
        return None
    instead = ngettext(
        "instead of %(missed)s set time that passed",
        "instead of %(missed)s set times that passed",
        missed,
    )
    return instead % {"missed": missed}


def missed_times(processor: Processor, slot: datetime, now: datetime) -> int:
    """How many set times, from `slot` on, could not be kept; 0 while the first is merely due."""
    if not is_late(slot, now):
        return 0
    return 1 + schedules.missed_slots(processor.cron, processor.time_zone, slot, now)


def is_late(slot: datetime, now: datetime) -> bool:
    """Whether a set time counts as missed by now."""
    return now - slot >= timedelta(seconds=LATE_SECONDS)


def begins_at(processor: Processor, due: datetime) -> datetime | None:
    """When a cycle that is due at this time may begin: not before a blackout has ended.

    None where blackouts cover one set time after the other, and what they cover is skipped.
    """
    for _blackout in range(BLACKOUTS):
        found = allowances.closed(processor, due)
        if found is None:
            return due
        if not is_skipped(processor, due, found.until):
            return found.until
        due = schedules.next_slot(processor.cron, processor.time_zone, found.until)
    return None


def is_skipped(processor: Processor, due: datetime, until: datetime) -> bool:
    """Whether what is due during a blackout is not made up for at its end."""
    if processor.trigger_kind != TriggerKind.CRON or processor.misfire != Misfire.SKIP:
        return False
    slot = processor.next_slot_at
    is_set_time = slot is not None and slot <= until  # else it is due for what is tried again
    return is_set_time and is_late(due, until)


def time_to_keep(processor: Processor, run: Run, now: datetime) -> datetime | None:
    """The set time that passed during a run that only retried, and took nothing else; else None."""
    slot = processor.next_slot_at
    if processor.trigger_kind != TriggerKind.CRON or not run.config["ledger_only"]:
        return None
    return slot if slot is not None and slot <= now else None


def note_overlapped(processor: Processor, run: Run, how: Move) -> None:
    """Set times that passed while this run was still going on were not kept."""
    since = run.slot or run.started_at
    missed = schedules.missed_slots(processor.cron, processor.time_zone, since, how.now)
    if missed:
        note_missed(
            processor,
            how,
            ngettext(
                "%(missed)s set time passed while run %(seq)s was going on",
                "%(missed)s set times passed while run %(seq)s was going on",
                missed,
            )
            % {"missed": missed, "seq": run.seq},
        )


def note_missed(processor: Processor, how: Move, reason: str) -> None:
    """Set times that led to no run are told of all the same."""
    Event.write(processor, "skip", Move(how.actor, how.now, reason))
