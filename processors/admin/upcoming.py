"""What starts in the next 24 hours."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from processors import schedules
from processors.cron import InvalidSchedule, describe
from processors.models import Processor
from processors.models.processor import TriggerKind
from processors.protocol.set_times import begins_at
from processors.querysets import Person
from processors.wording import duration, number

DAY = timedelta(days=1)
PROCESSORS = 200  # that are looked at, the next ones first
TIMES = 6  # of one processor that are listed one by one
COUNTED = 300  # times that are counted


@dataclass(frozen=True)
class Start:
    """One start; `words` says what sets the time, `more` how many of the same kind follow."""

    at: datetime
    processor: Processor
    words: str
    more: str = ""


def facts(person: Person, now: datetime) -> dict[str, Any]:
    """The page: starts in order, and who waits for records instead."""
    arriving = Processor.objects.visible_to(person).filter(
        state="started", fault_reason="", trigger_kind=TriggerKind.ARRIVAL
    )
    return {
        "starts": starts(scheduled(person), now),
        "arriving": arriving.order_by("name")[:PROCESSORS],
    }


def scheduled(person: Person, count: int = PROCESSORS) -> list[Processor]:
    """Started processors whose cycles begin at a set time, the next one first."""
    waiting = Processor.objects.visible_to(person).filter(state="started", fault_reason="")
    timed = waiting.exclude(trigger_kind=TriggerKind.ARRIVAL).exclude(next_due_at=None)
    return list(timed.order_by("next_due_at", "name")[:count])


def starts(processors: Iterable[Processor], now: datetime) -> list[Start]:
    """In the order of their times."""
    found = [start for processor in processors for start in starts_of(processor, now)]
    return sorted(found, key=lambda start: (start.at, start.processor.name))


def first_of(processors: Iterable[Processor]) -> Start | None:
    """The one that begins next of processors that are due at some time; None of none."""
    found = [
        Start(at, one, "")
        for one in processors
        if one.next_due_at is not None and (at := begins_at(one, one.next_due_at))
    ]
    return min(found, key=lambda start: (start.at, start.processor.name), default=None)


def starts_of(processor: Processor, now: datetime) -> list[Start]:
    """Of one; what comes often is listed once, and nothing before a blackout ends."""
    due = processor.next_due_at
    first = begins_at(processor, due) if due else None
    if due is None or first is None or first > now + DAY:
        return []
    words = trigger_words(processor, is_short=True)
    if processor.trigger_kind != TriggerKind.CRON:
        return [Start(first, processor, words)]
    cron, zone = processor.cron, processor.time_zone
    following = schedules.missed_slots(cron, zone, due, now + DAY, limit=COUNTED)
    if following >= TIMES:
        return [Start(first, processor, words, more_words(processor, following))]
    times = schedules.next_slots(cron, zone, due, following)
    # What falls into a blackout waits for its end, together.
    begun = dict.fromkeys(begins_at(processor, time) for time in (due, *times))
    return [Start(time, processor, words) for time in begun if time and time <= now + DAY]


def more_words(processor: Processor, following: int) -> str:
    """How many set times follow; not of blackouts, which would have to be asked of each time."""
    if processor.blackouts:
        return _("and more, as its blackouts leave them")
    shown = f"{number(COUNTED)}+" if following >= COUNTED else number(following)
    return _("and %(count)s more") % {"count": shown}


def trigger_words(processor: Processor, *, is_short: bool = False) -> str:
    """What sets the time of a cycle, in words; short with no more of its zone than the place."""
    if processor.trigger_kind == TriggerKind.CRON:
        try:
            words = describe(processor.cron)
        except InvalidSchedule:
            words = processor.cron
        zone = processor.time_zone
        place = zone.rpartition("/")[2].replace("_", " ") if is_short else zone
        return words if zone == "UTC" else f"{words} ({place})"
    if processor.trigger_kind == TriggerKind.INTERVAL:
        pause = duration(processor.pause_seconds)
        return _("%(pause)s after each run") % {"pause": pause}
    if processor.trigger_kind == TriggerKind.ARRIVAL:
        is_due = getattr(processor, "next_start", None) is not None
        return _("or when a record arrives") if is_due else _("when a record arrives")
    return _("on demand")
