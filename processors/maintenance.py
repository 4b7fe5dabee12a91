"""What keeps cycles going: `tick`, which anyone may call at any time.

rqscheduler calls it every second, workers when they are idle, `manage.py tick` by hand. Called
twice at once, or never for an hour, nothing but timing changes.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from django.db import close_old_connections
from django.db.models import Q

from processors import failpoints, queues
from processors.afterwards import attempt
from processors.clock import database_now
from processors.models import Batch, BulkAct, Installation, Processor, Run
from processors.protocol import (
    all_paused,
    arming,
    cycles,
    faults,
    lanes,
    pausing,
    reaping,
    reconciling,
    twins,
)
from processors.protocol.allowances import SHORT_WAIT, Held
from processors.rates import Rate
from processors.sources.connecting import Unreachable
from processors.sources.dialect import TROUBLE, is_broken
from processors.states import RunState

logger = logging.getLogger(__name__)

WAKE_AGAIN_SECONDS = 10
ACT_SILENT_SECONDS = 30


@dataclass
class Ticked:
    """What one tick did."""

    resumed: int = 0
    begun: int = 0
    ended: int = 0
    reaped: int = 0
    woken: int = 0
    synced: int = 0


def tick() -> Ticked:
    """Begin due cycles, take back lost batches, end finished runs, put back lost wake-ups.

    One processor's trouble does not keep the others from their turn, nor does a row that a sleeping
    worker holds, or a connection that broke meanwhile: such are opened anew.
    """
    close_old_connections()
    ticked, now = Ticked(), database_now()
    if twins.is_barred():
        return ticked
    ticked.resumed = pausing.resume_due(now)
    ticked.resumed += bool(attempt(partial(all_paused.end_due, now), "the end of the pause of all"))
    rests = all_paused.is_on()
    due = Processor.objects.none() if rests else Processor.objects.due(now)
    for processor_id in due.values_list("pk", flat=True):
        ticked.begun += begin_one(processor_id)
    now = database_now()  # sources elsewhere were asked since
    if attempt(partial(Installation.pass_gate, now=now, gap=reaping.lease_gap()), "a look"):
        attempt(partial(arming.rearm_after_clock_change, now), "what the clock put off")
        ticked.reaped = attempt(partial(reaping.reap, now), "what workers lost") or 0
        ticked.synced = attempt(partial(reconciling.reconcile, now), "what tables are told") or 0
    lanes.keep_up()
    for run in Run.objects.active().select_related("processor"):
        look_after(run, now, ticked, rests=rests)
    attempt(partial(wake_for_acts, now), "acts on many records")
    return ticked


def wake_for_acts(now: datetime) -> None:
    """Acts on many records that nobody has been at for a while: their wake-up may be lost."""
    before = now - timedelta(seconds=ACT_SILENT_SECONDS)
    for act_id in BulkAct.objects.stalled(before).values_list("pk", flat=True):
        if BulkAct.objects.stalled(before).filter(pk=act_id).update(seen_at=now):
            queues.wake_for_act(act_id)


def begin_one(processor_id: int) -> bool:
    """Whether a cycle began; trouble with a source is logged and seen again at the next tick."""
    try:
        return cycles.begin_due(processor_id) is not None
    except (*TROUBLE, Unreachable) as error:
        close_old_connections()
        if not stop_broken(processor_id, error):
            logger.warning("the cycle of processor %s could not begin: %s", processor_id, error)
            postpone(processor_id)
        return False
    except Exception:
        logger.exception("the cycle of processor %s could not begin", processor_id)
        postpone(processor_id)
        return False


def stop_broken(processor_id: int, error: Exception) -> bool:
    """Fault a processor whose source is not as it was; whether this was such an error."""
    source = Processor.objects.values_list("source", flat=True).get(pk=processor_id)
    if source.get("kind") != "table" or not is_broken(error):
        return False
    return faults.fault_idle(processor_id, faults.why_broken(source, error))


def postpone(processor_id: int) -> None:
    """Look again later, so that a source in trouble is not asked every second."""
    later = database_now() + timedelta(seconds=WAKE_AGAIN_SECONDS)
    Processor.objects.filter(pk=processor_id, next_due_at__isnull=False).update(next_due_at=later)


def look_after(run: Run, now: datetime, ticked: Ticked, *, rests: bool) -> None:
    """End a run that nobody works on any more; wake workers where fewer work than may.

    `rests`: everything is paused, so nobody is woken.
    """
    try:
        open_batches = Batch.objects.leased().filter(run=run).count()
        if open_batches == 0 and cycles.end_cycle(run.pk):
            ticked.ended += 1
        elif run.state == RunState.RUNNING and not rests:
            wanted = run.processor.parallelism - open_batches
            held = lanes.held(run.processor, run, now)
            if held and isinstance(held.by, Rate) and held.by.by:
                cycles.take_along(run, now)
            ticked.woken += wake_again(run, now, wanted, held)
    except TROUBLE as error:
        close_old_connections()
        if not faults.stop_broken(run, error):
            logger.warning("run %s could not be looked after: %s", run.pk, error)
    except Exception:
        logger.exception("run %s could not be looked after", run.pk)


def wake_again(run: Run, now: datetime, wanted: int, held: Held | None) -> bool:
    """Put back wake-ups, at most every few seconds and by one caller.

    For a rate limit that keeps everybody waiting, once, just before it lets records pass.
    """
    if held is not None and held.until > now + SHORT_WAIT:
        return False
    before = now - timedelta(seconds=WAKE_AGAIN_SECONDS)
    if held is not None:
        before = max(before, held.until - 2 * SHORT_WAIT)
    stale = Q(woken_at__lt=before) | Q(woken_at__gt=now + timedelta(seconds=WAKE_AGAIN_SECONDS))
    if wanted < 1 or not Run.objects.filter(stale, pk=run.pk).update(woken_at=now):
        return False
    failpoints.reach("enqueue.after_mark_before_push")
    return queues.relay(run.pk, run.config["queue"], wanted)


def note_scheduler(name: str) -> None:
    """A scheduler is alive; shown on the health page."""
    Installation.objects.filter(pk=1).update(scheduler_seen_at=database_now(), scheduler_name=name)
