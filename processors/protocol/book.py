"""The lanes that one claim comes across: which of its records may go, which are set aside.

Whoever holds the row of a limit (see Purse) may change its lanes: claims of a processor with such
limits come one after the other.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef

from processors.models import Lane, Record
from processors.protocol.allowances import Held
from processors.protocol.lanes import next_in_lanes
from processors.rates import Rate
from processors.sources.base import Claimed, Pick, Source
from processors.sources.changed import is_missing
from processors.states import RecordState

ROUNDS = 5  # looks for records whose key has room, in one claim
LOOKED_AT = 1_000  # records, where most that were found had none

WRITTEN = ["free_at", "waits", "window_at", "used", "used_before"]


class Book:
    """The lanes that one claim comes across, as they stand after what it has taken so far."""

    def __init__(self, processor_id: int, rates: Sequence[Rate], now: datetime) -> None:
        self.processor_id = processor_id
        self.rates = rates
        self.now = now
        self.lanes: dict[tuple[str, str], Lane] = {}
        self.aside: list[tuple[Claimed, Lane]] = []

    def take(self, source: Source, pick: Pick) -> list[Claimed]:
        """Up to `pick.size` records whose keys have room, from lanes and beside them.

        Lanes come first, with half of it: neither old records nor urgent ones have to wait for
        all of the others.
        """
        taken = self._from_lanes(source, pick, (pick.size + pick.batch_id % 2) // 2)
        asked = pick.size - len(taken)
        for _ in range(ROUNDS):
            room = pick.size - len(taken)
            if room < 1:
                break
            found = source.claim(replace(pick, size=asked))
            admitted = self._admitted(source, pick, found, room)
            taken += admitted
            if len(found) < asked:
                break
            asked = LOOKED_AT if len(admitted) < asked / 2 else max(1, pick.size - len(taken))
        taken += self._from_lanes(source, pick, pick.size - len(taken))
        taken = taken or self._alone(source, pick)
        self._save(source, pick)
        return taken

    # Lanes

    def _from_lanes(self, source: Source, pick: Pick, room: int) -> list[Claimed]:
        """The next records of lanes that have room by now."""
        due = self._due(room) if room > 0 else []
        if not due:
            return []
        admitted = self._popped(source, replace(pick, size=room), due, room)
        if not admitted and len(self.rates) > 1:
            # They wait for another limit as well; those behind them probably too.
            far = [(lane, LOOKED_AT) for lane, _ in due]
            admitted = self._popped(source, replace(pick, size=LOOKED_AT), far, room)
        self._note_empty([lane for lane, _ in due])
        return admitted

    def _popped(
        self, source: Source, pick: Pick, due: Sequence[tuple[Lane, int]], room: int
    ) -> list[Claimed]:
        """Of the next records of these lanes those that may go, `room` of them at most."""
        rooms = [(lane.pk, spare) for lane, spare in due]
        found = source.claim_in_lanes(pick, rooms)
        return self._admitted(source, pick, found, room, in_turn=True)

    def _due(self, most: int) -> list[tuple[Lane, int]]:
        """Lanes with somebody waiting and room, and how much; those first that had it first."""
        due = []
        for rate in self.rates:
            rows = Lane.objects.filter(processor_id=self.processor_id, limit=str(rate), waits=True)
            for row in rows.filter(free_at__lte=rate.due(self.now)).order_by("free_at")[:most]:
                lane = self.lanes.setdefault((row.limit, row.value), row)
                if (spare := rate.room(lane.free_at, self.now)) > 0:
                    due.append((lane, spare))
        return due

    def _note_empty(self, lanes: Sequence[Lane]) -> None:
        """Looked at without skipping locked rows: a lane that is taken for empty is forgotten."""
        inside = Record.objects.in_lanes().filter(processor_id=self.processor_id)
        rows = Lane.objects.filter(Exists(inside.filter(lane=OuterRef("pk"))))
        filled = set(rows.filter(pk__in=[lane.pk for lane in lanes]).values_list("pk", flat=True))
        for lane in lanes:
            lane.waits = lane.pk in filled

    # Judgement

    def _admitted(
        self,
        source: Source,
        pick: Pick,
        found: Sequence[Claimed],
        room: int,
        *,
        in_turn: bool = False,
    ) -> list[Claimed]:
        """Those that may go now; the others are set aside, or given back where there is no room.

        `in_turn`: they come from their lanes, so nobody of their key waits before them.
        """
        counted = self._read(found)
        admitted: list[Claimed] = []
        for place, (claimed, lanes) in enumerate(zip(found, counted, strict=True)):
            if len(admitted) == room:
                source.release(pick.batch_id, [one.ref for one in found[place:]])
                break
            lane = None if is_void(claimed) else self._spend(lanes, in_turn=in_turn)
            if lane is None:
                admitted.append(claimed)
            else:
                self.aside.append((claimed, lane))
        return admitted

    def _read(self, found: Sequence[Claimed]) -> list[tuple[Lane, ...]]:
        """Of each record its lanes, in the order of the limits; a query for each limit."""
        columns = []
        for rate in self.rates:
            limit, values = str(rate), [rate.value(c.key, c.payload) for c in found]
            wanted = [value for value in set(values) if (limit, value) not in self.lanes]
            rows = Lane.objects.filter(processor_id=self.processor_id, limit=limit)
            self.lanes |= {(limit, row.value): row for row in rows.filter(value__in=wanted)}
            columns.append([self._lane(limit, value) for value in values])
        return list(zip(*columns, strict=True))

    def _lane(self, limit: str, value: str) -> Lane:
        lane = self.lanes.get((limit, value))
        if lane is None:
            lane = self.lanes[limit, value] = Lane(
                processor_id=self.processor_id,
                limit=limit,
                value=value,
                free_at=self.now,
                window_at=self.now,
            )
        return lane

    def _spend(self, lanes: Sequence[Lane], *, in_turn: bool) -> Lane | None:
        """The lane that a record has to wait in; None where it may go, which is noted."""
        if len(lanes) == 1 and lanes[0].waits and not in_turn:
            return lanes[0]  # most of what is set aside is of a key that many wait for
        limits = list(zip(self.rates, lanes, strict=True))
        full = [
            (rate.wait(lane.free_at, self.now), n)
            for n, (rate, lane) in enumerate(limits)
            if rate.room(lane.free_at, self.now) < 1 or (lane.waits and not in_turn)
        ]
        if full:
            lane = limits[max(full)[1]][1]
            lane.waits = True
            return lane
        self._note(limits)
        return None

    def _note(self, limits: Sequence[tuple[Rate, Lane]]) -> None:
        for rate, lane in limits:
            lane.spend(1, rate, self.now)

    # Alone

    def _alone(self, source: Source, pick: Pick) -> list[Claimed]:
        """A record under suspicion. One whose key has no room is booked the next time that has:
        in its lane it would not travel alone, and behind it might never have its turn."""
        found = source.claim_alone(pick)
        if not found or is_void(found[0]):
            return found
        rows = Record.objects.filter(id=found[0].record_id or 0)
        if rows.filter(lane__isnull=False).update(lane=None):
            return found
        limits = list(zip(self.rates, self._read(found)[0], strict=True))
        starts = [rate.start(lane.free_at, self.now) for rate, lane in limits]
        if max(starts) <= self.now:
            self._note(limits)
            return found
        put_back: dict[str, Any] = {"state": RecordState.READY, "batch": None}
        if all(rate.may_book(lane.free_at, self.now) for rate, lane in limits):
            self._note(limits)
            self._write()
            put_back["lane"] = limits[0][1]
        rows.update(**put_back, available_at=max(starts))
        return []

    # Writing

    def _save(self, source: Source, pick: Pick) -> None:
        for _, lane in self.aside:
            lane.waits = True
        self._write()
        if self.aside:
            source.set_aside(pick, [(claimed, lane.pk) for claimed, lane in self.aside])

    def _write(self) -> None:
        """Lanes as they stand now; new ones get their numbers."""
        Lane.objects.bulk_create(
            self.lanes.values(),
            update_conflicts=True,
            unique_fields=["processor", "limit", "value"],
            update_fields=WRITTEN,
        )

    def held(self) -> Held | None:
        """Until when a claim that took nothing has to wait; None where nothing waits in lanes."""
        if self.aside:  # there may be more behind it
            return Held(self.now, self.rates[0])
        return next_in_lanes(self.processor_id, self.rates, self.now)


def is_void(claimed: Claimed) -> bool:
    """Whether it will not be begun: it came too late, or its row is not as we left it."""
    return claimed.is_expired or is_missing(claimed)
