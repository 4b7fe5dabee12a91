"""A cron line in words, and the times it is due next."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from processors import schedules
from processors.blackouts import Blackout, closed_by, readable
from processors.cron import InvalidSchedule, describe
from processors.wording import ago

SHOWN = 5


@dataclass(frozen=True)
class Slot:
    """One time: in the processor's zone and in the server's.

    `note` tells of a moved clock, `closed` of a blackout that covers it.
    """

    there: str
    here: str
    distance: str
    note: str = ""
    closed: str = ""


@dataclass(frozen=True)
class Schedule:
    """What a line means, or why it means nothing."""

    problem: str = ""
    words: str = ""
    zone: str = ""
    slots: list[Slot] = field(default_factory=list)


def preview(cron: str, zone: str, now: datetime, blackouts: str = "") -> Schedule:
    """The next SHOWN times of a line as somebody types it, with blackouts, one a line."""
    try:
        times = schedules.next_slots(cron, zone, now, SHOWN)
    except InvalidSchedule as error:
        return Schedule(problem=str(error), zone=zone)
    place = ZoneInfo(zone)
    before, lines = [now, *times], readable(blackouts)
    shown = [
        slot(time, previous, place, now, lines)
        for previous, time in zip(before, times, strict=False)
    ]
    return Schedule(words=describe(cron), zone=zone, slots=shown)


def slot(
    time: datetime, previous: datetime, place: ZoneInfo, now: datetime, lines: list[Blackout]
) -> Slot:
    """One of them."""
    there, here = time.astimezone(place), timezone.localtime(time)
    is_same = there.utcoffset() == here.utcoffset()
    return Slot(
        there=f"{date_format(there, 'D j N Y, H:i')} {there.tzname()}",
        here="" if is_same else f"{date_format(here, 'D H:i')} {here.tzname()}",
        distance=ago(time, now),
        note=clock_note(there, previous.astimezone(place)),
        closed=closed_note(lines, time, place),
    )


def closed_note(lines: list[Blackout], time: datetime, place: ZoneInfo) -> str:
    """That a blackout covers the time, and when it has ended; empty where none does."""
    found = closed_by(lines, time)
    if found is None:
        return ""
    ends = date_format(found[1].astimezone(place), "D j N Y, H:i")
    words = {"blackout": found[0], "ends": ends}
    return _("blackout “%(blackout)s”: nothing begins before %(ends)s") % words


def clock_note(there: datetime, previous: datetime) -> str:
    """That the clock was moved since the time before."""
    moved = (there.utcoffset() or timedelta()) - (previous.utcoffset() or timedelta())
    if not moved:
        return ""
    hours = abs(moved.total_seconds()) / 3600
    pattern = (
        _("clocks go forward %(hours)s h before")
        if moved > timedelta()
        else _("clocks go back %(hours)s h before")
    )
    return pattern % {"hours": f"{hours:g}"}
