"""What limits by a key hold back, for people: how much, until when, and whose it is.

Counts are capped, and of many lanes only those are looked at that their indexes name first.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from processors.models import Lane, Processor, Record
from processors.protocol import lanes
from processors.rates import Rate
from processors.wording import moment, number

WAITING_CAP = 10_000
LOOKED_AT = 200  # lanes, to find the busiest
SHOWN = 5


@dataclass(frozen=True)
class Key:
    """What one key has used of its limit in the present window, and what waits for it."""

    value: str
    used: int
    waiting: int
    limit: int


@dataclass(frozen=True)
class Hold:
    """What one limit holds back; `next_at` is None where nothing waits."""

    rate: Rate
    waiting: int = 0
    next_at: datetime | None = None
    busiest: list[Key] = field(default_factory=list)

    @property
    def shown(self) -> str:
        """`12`, or `at least 10,000`."""
        return counted(self.waiting)

    def sentence(self, now: datetime) -> str:
        """`12 records are held back by the limit 5/min by customer until 14:03:20 UTC.`"""
        told = {"n": self.shown, "limit": self.rate, "at": moment(self.next_at or now, now)}
        return (
            ngettext(
                "%(n)s record is held back by the limit %(limit)s until %(at)s.",
                "%(n)s records are held back by the limit %(limit)s, the first until %(at)s.",
                self.waiting,
            )
            % told
        )


def counted(waiting: int) -> str:
    """A capped number."""
    if waiting >= WAITING_CAP:
        return _("at least %(n)s") % {"n": number(WAITING_CAP)}
    return number(waiting)


def holds(processor: Processor, now: datetime, *, busiest: bool = False) -> list[Hold]:
    """Each limit by a key; `busiest` asks for its busiest keys too."""
    return [hold(processor, rate, now, busiest=busiest) for rate in processor.key_rates]


def hold(processor: Processor, rate: Rate, now: datetime, *, busiest: bool = False) -> Hold:
    """One limit; two queries, and two more for the busiest keys."""
    rows = Lane.objects.filter(processor=processor, limit=str(rate))
    first = lanes.next_in_lanes(processor.pk, [rate], now)
    waiting = waiting_in(processor, Q(lane__in=rows.filter(waits=True))) if first else 0
    keys = busiest_keys(processor, rate, now) if busiest else []
    return Hold(rate, waiting, first.until if first and waiting else None, keys)


def waiting_in(processor: Processor, which: Q) -> int:
    """How many wait in lanes, capped."""
    return Record.objects.in_lanes().filter(which, processor=processor).count_to(WAITING_CAP)


def rows_held(processor: Processor) -> str:
    """A table's rows in lanes have the word of a row in hand; empty where there are none."""
    waiting = waiting_in(processor, Q()) if processor.key_rates else 0
    if processor.source_kind != "table" or not waiting:
        return ""
    told = {"n": counted(waiting), "word": processor.source["words"]["claimed"]}
    return (
        ngettext(
            "%(n)s row is '%(word)s' because a limit by its key holds it back: it waits, and no "
            "worker has it.",
            "%(n)s rows are '%(word)s' because a limit by their key holds them back: they wait, "
            "and no worker has them.",
            waiting,
        )
        % told
    )


def busiest_keys(processor: Processor, rate: Rate, now: datetime) -> list[Key]:
    """Of the lanes that were used last, those that were used most."""
    rows = Lane.objects.filter(processor=processor, limit=str(rate)).order_by("-free_at")
    since = now - timedelta(seconds=rate.per_seconds)
    used = [(row.used if row.window_at > since else 0, row) for row in rows[:LOOKED_AT]]
    used = [(count, row) for count, row in used if count or row.waits]
    used.sort(key=lambda one: (-one[0], not one[1].waits, one[1].value))
    return [
        Key(row.value, count, waiting_in(processor, Q(lane=row)) if row.waits else 0, rate.count)
        for count, row in used[:SHOWN]
    ]


def holding(processor: Processor, now: datetime) -> list[Hold]:
    """The limits that hold something back; no query where none is by a key."""
    return [one for one in holds(processor, now) if one.waiting]


def turn(lane: Lane, before: int, now: datetime) -> datetime:
    """When a record may begin in whose lane so many go first."""
    rate = Rate.parse(lane.limit)
    return rate.start(lane.free_at, now) + timedelta(seconds=before * rate.interval)


def not_before(processor: Processor, now: datetime) -> datetime | None:
    """No earlier than this the last one that waits in a lane begins; None where none does.

    Of the lanes with the most, among the first WAITING_CAP records. Two queries, none where no
    limit is by a key.
    """
    if not processor.key_rates:
        return None
    rows = Record.objects.in_lanes().filter(processor=processor).order_by()
    waiting = Counter(rows.values_list("lane", flat=True)[:WAITING_CAP])
    busiest = Lane.objects.in_bulk([pk for pk, _count in waiting.most_common(LOOKED_AT)])
    turns = (turn(lane, waiting[pk] - 1, now) for pk, lane in busiest.items())
    return max(turns, default=None)


def held_of(processor_ids: Iterable[int]) -> set[int]:
    """Those of which records wait in lanes; one query."""
    rows = Lane.objects.filter(processor__in=list(processor_ids), waits=True)
    return set(rows.order_by().values_list("processor", flat=True).distinct())


# One record


@dataclass(frozen=True)
class Place:
    """Where a record stands in its lane: `before` go first, and it may begin `at`."""

    limit: str
    before: int
    at: datetime

    @property
    def sentence(self) -> str:
        """Why it waits."""
        told = {"limit": self.limit, "n": counted(self.before)}
        if not self.before:
            return _("Held back by the limit %(limit)s: it is the next of its key.") % told
        return (
            ngettext(
                "Held back by the limit %(limit)s: %(n)s record of its key goes first.",
                "Held back by the limit %(limit)s: %(n)s records of its key go first.",
                self.before,
            )
            % told
        )


def place_of(record: Record, now: datetime) -> Place | None:
    """None where no lane holds it. At most two queries."""
    if record.lane_id is None or not record.waits or record.alone:
        return None
    lane = Lane.objects.filter(pk=record.lane_id).first()
    if lane is None:
        return None
    first = Q(priority__gt=record.priority) | Q(priority=record.priority, id__lt=record.pk)
    before = waiting_in(record.processor, Q(lane=lane) & first)
    return Place(lane.limit, before, turn(lane, before, now))
