"""Records that wait because of limits that hold for each key by itself: "5/min by customer".

A record whose key has used up its limit is set aside in the key's lane, where no claim comes
across it again; once the limit has room, the lane's next records are taken from there (see
`book`). So what a slow key has waiting is looked at once each and stands in nobody's way, and when
a record may go is asked of an index of lanes, not of records.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import QuerySet

from processors.afterwards import attempt
from processors.clock import database_now
from processors.models import Allowance, Lane, Processor, Record, Run
from processors.protocol import allowances
from processors.protocol.allowances import Held
from processors.protocol.working import source_of
from processors.rates import BY, Rate
from processors.sources.base import Pick

FREED_AT_ONCE = 5_000  # records, or lanes
REMEMBERED = timedelta(minutes=2)  # how long an idle lane is kept, or twice its limit's own time

# What waits


def next_in_lanes(processor_id: int, rates: Sequence[Rate], now: datetime) -> Held | None:
    """When the next record that waits in a lane may go, and by which limit it is held."""
    first = None
    for rate in rates:
        rows = Lane.objects.filter(processor_id=processor_id, limit=str(rate), waits=True)
        free_at = rows.order_by("free_at").values_list("free_at", flat=True).first()
        if free_at is not None:
            until = now + timedelta(seconds=rate.wait(free_at, now))
            first = min(first or Held(until, rate), Held(until, rate), key=lambda one: one.until)
    return first


def held(processor: Processor, run: Run, now: datetime) -> Held | None:
    """What keeps a whole run waiting at this moment: a limit for all, or for all keys that wait."""
    if (found := allowances.held(processor, now)) or not processor.key_rates:
        return found
    pick = Pick(0, 1, now, run.ceiling, run.position, ledger_only=run.config["ledger_only"])
    if source_of(run).has_claimable(pick):
        return None
    return next_in_lanes(processor.pk, processor.key_rates, now)


def are_used(processor: Processor, run: Run | None = None) -> bool:
    """Whether records wait in a processor's lanes; asked only where it has such limits.

    Or where it had, when this run began to go on without them.
    """
    may = bool(processor.key_rates) or (run is not None and run.config.get("frees_lanes"))
    return bool(may and Record.objects.in_lanes().filter(processor=processor).exists())


# Upkeep


def keep_up() -> None:
    """Free what waits for a limit that is no more; forget lanes that are idle. Every tick.

    A limit that somebody holds at this moment has its turn with another tick. The time is read
    for each: to an older one, lanes that were used since look ahead of all clocks.
    """
    for row in Allowance.objects.filter(limit__contains=BY).select_related("processor"):
        now = database_now()
        is_gone = row.limit not in row.processor.rate_limits
        act = partial(free, row, now, patient=False) if is_gone else partial(forget_idle, row, now)
        attempt(act, f"what waits for {row} in {row.processor}")


def forget_idle(row: Allowance, now: datetime) -> None:
    """Lanes of a limit that nobody has used for a while, and times that another clock wrote."""
    rate, lanes = Rate.parse(row.limit), lanes_of(row)
    # What the limit itself could not have reached was written by another clock.
    beyond = lanes.filter(free_at__gt=now + timedelta(seconds=rate.most_ahead))
    before = now - max(REMEMBERED, timedelta(seconds=2 * rate.per_seconds))
    idle = lanes.filter(free_at__lt=before, waits=False)
    if not (idle.exists() or beyond.exists()):
        return
    with transaction.atomic():
        if not hold(row, patient=False):
            return
        beyond.update(free_at=now)
        some = list(idle.values_list("pk", flat=True)[:FREED_AT_ONCE])
        Lane.objects.filter(pk__in=some).delete()


def free(row: Allowance, now: datetime, *, patient: bool) -> None:
    """Let what waits in the lanes of a former limit come up again; then nothing is left of it."""
    with transaction.atomic():
        if not hold(row, patient=patient):
            return
        waiting = Record.objects.in_lanes().filter(
            processor=row.processor_id, lane__in=lanes_of(row).filter(waits=True)
        )
        ids = list(waiting.values_list("pk", flat=True)[:FREED_AT_ONCE])
        if ids:
            Record.objects.in_lanes().filter(pk__in=ids).update(lane=None, available_at=now)
        if len(ids) < FREED_AT_ONCE:
            lanes_of(row).delete()
            row.delete()


def lanes_of(row: Allowance) -> QuerySet[Lane]:
    """The lanes of a limit."""
    return Lane.objects.filter(processor=row.processor_id, limit=row.limit)


def hold(row: Allowance, *, patient: bool) -> bool:
    """Lock a limit's row, as it was read. False where it is another one now or, unless we are
    `patient`, where somebody else holds it."""
    rows = Allowance.objects.select_for_update(no_key=True, skip_locked=not patient)
    return rows.filter(pk=row.pk, limit=row.limit).first() is not None


def change(processor: Processor, before: Sequence[str], now: datetime) -> None:
    """What waits for limits that were changed: with the limits, in one transaction."""
    gone = [Rate.parse(text) for text in before if BY in text and text not in processor.rate_limits]
    if not gone:
        return
    # What is freed later is this run's as well. First, because a claim holds its run before limits.
    run = Run.objects.active().filter(processor=processor).first()
    if run is not None:
        Run.objects.filter(pk=run.pk).update(config=run.config | {"frees_lanes": True})
    rename(processor, before, gone)
    for rate in gone:
        for row in Allowance.objects.filter(processor=processor, limit=str(rate)):
            free(row, now, patient=True)


def rename(processor: Processor, before: Sequence[str], gone: Sequence[Rate]) -> None:
    """Other numbers for the same key: what waits goes on waiting, under the limit as it is now."""
    came = [rate for rate in processor.key_rates if str(rate) not in before]
    lanes = Lane.objects.filter(processor=processor)
    for rate in gone:
        heirs = [str(one) for one in came if one.by == rate.by]
        is_clear = len(heirs) == 1 and sum(one.by == rate.by for one in gone) == 1
        if is_clear and not lanes.filter(limit=heirs[0]).exists():
            rows = Allowance.objects.filter(processor=processor)
            rows.filter(limit=heirs[0]).delete()
            rows.filter(limit=str(rate)).update(limit=heirs[0])
            lanes.filter(limit=str(rate)).update(limit=heirs[0])
