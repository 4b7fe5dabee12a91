"""Begin a cycle, end it and arm the next: T1 and T7.

The end of a cycle and the time of the next are one commit, so a process may die anywhere and
neither is lost nor doubled. Whoever finds work done may call `end_cycle`, any number of times.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import IntegrityError, connections, transaction
from django.utils.translation import gettext as _

from processors import failpoints, queues
from processors.afterwards import after_commit
from processors.clock import database_now
from processors.models import Actor, Batch, Event, Processor, Run, RunHour
from processors.models.door import Move
from processors.models.processor import TriggerKind
from processors.models.run import Trigger
from processors.protocol import all_paused, allowances, lanes, twins
from processors.protocol.arming import arm, next_slot
from processors.protocol.set_times import late_reason, note_overlapped, time_to_keep
from processors.protocol.working import freeze, source_of
from processors.querysets import ProcessorQuerySet
from processors.sources import Source, open_source
from processors.sources.base import Pick
from processors.sources.dialect import TROUBLE
from processors.states import COUNTERS, RunState

logger = logging.getLogger(__name__)

MACHINE = Actor("recordmill")


@dataclass(frozen=True)
class Beginning:
    """Why a cycle is to begin. With `by_hand` it begins although nothing is due or waiting.

    `limit`: records that it may claim, where the person set one. `otherwise`: what it freezes
    other than the definition says, and `told`: that in words, for the event.
    """

    trigger: Trigger
    how: Move
    by_hand: bool = False
    ledger_only: bool = False
    slot: datetime | None = None
    limit: int | None = None
    otherwise: Mapping[str, Any] = field(default_factory=dict)
    told: str = ""


def begin_due(processor_id: int, actor: Actor = MACHINE) -> Run | None:
    """T1: begin the processor's cycle if it is due and finds something to claim.

    None where it is not due, is active already, is being begun by somebody else, or found
    nothing: an empty look leaves no run behind, only the time of the next look. While everything
    is paused it stays due, so that the trigger's own rule for missed times speaks afterwards.
    """
    with transaction.atomic(durable=True):
        now = database_now()
        processor = free(processor_id).due(now).first()
        if processor is None or all_paused.is_on():
            return None
        if blackout := allowances.closed(processor, now):
            processor.arm(blackout.until, looked_at=now)
            return None
        how = Move(actor, now)
        beginning = due_beginning(processor, how)
        run = begin(processor, beginning) if beginning else None
        if run is None:
            arm(processor, now)
        return run


def begin_arrived(processor_id: int) -> Run | None:
    """T1 within the transaction that stores what arrived: record and cycle are one commit.

    None where somebody else is at the processor now, a run is active or nothing is to be handled
    yet: then `begin_due` is still to be called, after the commit. The processor stays locked
    until then, so this is the last thing to do in a transaction.
    """
    processor = free(processor_id).armed().filter(trigger_kind=TriggerKind.ARRIVAL).first()
    if processor is None or processor.blackouts or all_paused.is_on():
        return None
    return begin(processor, Beginning(Trigger.ARRIVAL, Move(MACHINE, database_now())))


def free(processor_id: int) -> ProcessorQuerySet:
    """The processor, locked; nothing where somebody else has it."""
    rows: ProcessorQuerySet = Processor.objects.select_for_update(skip_locked=True, no_key=True)
    return rows.filter(pk=processor_id)


def due_beginning(processor: Processor, how: Move) -> Beginning | None:
    """Why a due processor's cycle begins; None for a set time that is to be skipped."""
    slot = processor.next_slot_at
    kind = processor.trigger_kind
    if kind == TriggerKind.ARRIVAL:
        return Beginning(Trigger.ARRIVAL, how)
    if slot is None or slot > how.now:  # woken for another try, before the trigger's own time
        return Beginning(Trigger.RETRY, how, ledger_only=True)
    if kind == TriggerKind.MANUAL:  # the cycle that pressing Start means
        return Beginning(Trigger.MANUAL, how)
    if kind != TriggerKind.CRON:
        return Beginning(Trigger.SCHEDULE, how)
    reason = late_reason(processor, slot, how)
    if reason is None:
        return None
    return Beginning(Trigger.SCHEDULE, Move(how.actor, how.now, reason), slot=slot)


def begin(processor: Processor, beginning: Beginning) -> Run | None:
    """Make the run, in the transaction that locked the processor.

    None where a run is active, where the slot was used, (not by hand) where nothing waits, or in
    a copied database.
    """
    now = beginning.how.now
    if Run.objects.active_of(processor.pk) or twins.is_barred():
        return None
    source = open_source(processor.pk, processor.source)
    pick = look(now, ledger_only=beginning.ledger_only)
    if not (beginning.by_hand or source.has_claimable(pick) or lanes.are_used(processor)):
        return None
    try:
        with transaction.atomic():
            run = make_run(processor, source, beginning)
    except IntegrityError:
        logger.info("a cycle of %s had begun already", processor.slug)
        return None
    queues.wake_on_commit(
        run.pk, processor.queue, workers_wanted(processor.parallelism, run.expected)
    )
    return run


def workers_wanted(parallelism: int, expected: int | None) -> int:
    """How many to wake at the beginning: no more than there are records, where that is known.

    Ticks wake more as long as more is waiting than is in hand.
    """
    return parallelism if expected is None else min(parallelism, max(expected, 1))


def make_run(processor: Processor, source: Source, beginning: Beginning) -> Run:
    """The run's row, its event, and the processor's mark that it is active."""
    how, bounds = beginning.how, source.bounds()
    # What arrives while a run on arrival goes on is taken along at once.
    is_bounded = beginning.trigger != Trigger.ARRIVAL
    wanted = (bounds.limit, processor.records_per_cycle, beginning.limit)
    limits = [n for n in wanted if n is not None]
    run = Run.objects.create(
        processor=processor,
        seq=processor.last_seq + 1,
        slot=beginning.slot,
        trigger=beginning.trigger,
        reason=how.reason,
        actor=how.actor.name,
        config={**freeze(processor, ledger_only=beginning.ledger_only), **beginning.otherwise},
        ceiling=bounds.ceiling if is_bounded else None,
        expected=bounds.expected,
        claim_limit=min(limits, default=None),
        started_at=how.now,
        woken_at=how.now,
    )
    Processor.objects.filter(pk=processor.pk).update(
        last_seq=run.seq, next_due_at=None, last_looked_at=how.now
    )
    failpoints.reach("tick.after_insert_run")
    told = how.telling(beginning.told) if beginning.told else how
    Event.write(processor, "begin", told, run=run, to_state=RunState.RUNNING)
    return run


def look(now: datetime, *, ledger_only: bool, run: Run | None = None) -> Pick:
    """A pick that only asks whether there is anything."""
    return Pick(
        0,
        1,
        now,
        ceiling=run.ceiling if run else None,
        position=run.position if run else None,
        ledger_only=ledger_only,
    )


def active_run(processor: Processor) -> Run | None:
    """The run in hand, locked, None without one."""
    run = Run.objects.select_for_update(no_key=True).active().filter(processor=processor).first()
    if run is not None:
        run.processor = processor
    return run


def end_cycle(run_id: int, actor: Actor = MACHINE) -> bool:
    """T7: if nothing is in hand and nothing is left, end the cycle and arm the next.

    Whether the run has ended or paused by this call. Safe to call at any time.
    """
    with transaction.atomic(durable=True):
        owner = Run.objects.filter(pk=run_id).values_list("processor_id", flat=True).first()
        if owner is None:
            return False
        processor = Processor.objects.select_for_update(no_key=True).get(pk=owner)
        run = Run.objects.select_for_update(no_key=True).get(pk=run_id)
        run.processor = processor
        if run.has_ended or Batch.objects.leased().filter(run=run).exists():
            return False
        has_settled = settle_run(processor, run, Move(actor, database_now()))
        if has_settled:
            failpoints.reach("finish.before_commit")
    if has_settled:
        failpoints.reach("finish.after_commit")
    return has_settled


def end_soon(run: Run) -> None:
    """End the run right after the commit where nothing is in hand; else its workers do."""
    after_commit(lambda: end_cycle(run.pk), _("the end of %(run)s") % {"run": run})


def settle_run(processor: Processor, run: Run, how: Move) -> bool:
    """What a run without batches in hand becomes."""
    if run.state == RunState.PAUSING:
        run.become_paused(how)
        return True
    if run.state == RunState.STOPPING:
        close_books(processor, run, RunState.FAILED if run.fault_reason else RunState.STOPPED, how)
        return True
    if run.state == RunState.RUNNING and not has_more(run, how.now):
        close_books(processor, run, RunState.FINISHED, how)
        return True
    return False


def has_more(run: Run, now: datetime) -> bool:
    """Whether this cycle may and could claim anything, now or once a key's limit has room."""
    if run.claim_limit is not None:
        sums = Batch.objects.filter(run=run).counters()
        if sums["claimed"] - sums["released"] - sums["crashed"] >= run.claim_limit:
            return False
    pick = look(now, ledger_only=run.config["ledger_only"], run=run)
    return source_of(run).has_claimable(pick) or lanes.are_used(run.processor, run)


def take_along(run: Run, now: datetime) -> None:
    """A run that is held back by limits of some keys takes along what the next one would have.

    From the time on at which the trigger would have begun that: who arrives late must not wait
    for a key of somebody else. Not where its options are other ones: those are not for them.
    """
    if run.has_other_options:
        return
    slot = next_slot(run.processor, run.started_at)
    if run.ceiling is not None and slot is not None and slot <= now:
        Run.objects.filter(pk=run.pk).update(ceiling=None)


def close_books(processor: Processor, run: Run, state: RunState, how: Move) -> None:
    """Sum up the batches, end the run, and say when the next cycle may begin."""
    tell_rest(run)
    counters = Batch.objects.filter(run=run).counters()
    run.end(state, how, {name: counters[name] for name in COUNTERS})
    RunHour.count(run)
    kept = time_to_keep(processor, run, how.now)
    if kept is None and processor.trigger_kind == TriggerKind.CRON and processor.is_started:
        note_overlapped(processor, run, how)
    arm(processor, how.now, kept)


def tell_rest(run: Run) -> None:
    """A table elsewhere knows every outcome when its run ends, unless it is out of reach.

    Another worker may be about to tell it; told twice is told once.
    """
    source = source_of(run)
    try:
        while source.reconcile(run.pk):
            continue
    except TROUBLE as error:
        connections[source.alias].close_if_unusable_or_obsolete()
        logger.warning("run %s: outcomes are told to %s later: %s", run.pk, source.alias, error)
