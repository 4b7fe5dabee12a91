"""Why a processor does what it does now: one sentence for the person who looks at it.

Entry point: `why`. It reads and never writes; Redis is asked only where the answer needs it.
"""

from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from processors.models import Batch, Event, Processor, Run
from processors.models.processor import TriggerKind
from processors.queues import queue_states
from processors.states import ProcessorState, RunState
from processors.wording import duration, moment

# A cycle that is due begins within a second or two where anything ticks.
LATE = timedelta(seconds=30)
JUST_BEGUN = timedelta(seconds=5)


def why(processor: Processor, now: datetime) -> str:
    """One sentence; costs a few queries, and a look at Redis where a run has no worker."""
    run = Run.objects.active_of(processor.pk)
    if processor.is_faulted:
        return why_faulted(processor, run)
    if run is not None:
        return why_run(processor, run, now)
    if processor.state == ProcessorState.STARTED:
        return why_waiting(processor, now)
    act = last_act(processor, str(processor.state))
    if act is None:
        return _("Stopped: it was never started.")
    word = _("Paused") if processor.state == ProcessorState.PAUSED else _("Stopped")
    return said(word, act, now)


def why_faulted(processor: Processor, run: Run | None) -> str:
    """What the machine stopped it for, and what is still in hand."""
    sentence = _("Faulted: %(reason)s") % {"reason": processor.fault_reason}
    in_hand = Batch.objects.leased().filter(run=run).count() if run is not None else 0
    if run is None or not in_hand:
        return sentence
    going = leaving(_("Run %(seq)s is stopping") % {"seq": run.seq}, in_hand)
    return f"{sentence} {going}"


def last_act(processor: Processor, state: str, run: Run | None = None) -> Event | None:
    """What brought the processor, or its run, into this state."""
    events = Event.objects.filter(processor=processor, to_state=state)
    events = events.filter(run=run) if run else events.of_operators(processor)
    return events.newest()


def said(word: str, act: Event, now: datetime) -> str:
    """`Stopped by anna at 14:02:11 UTC: the reason she gave.`"""
    facts = {"word": word, "actor": act.actor, "at": moment(act.at, now)}
    sentence = _("%(word)s by %(actor)s at %(at)s") % facts
    return f"{sentence}: {act.reason.rstrip('.')}." if act.reason else f"{sentence}."


# A run is active


def why_run(processor: Processor, run: Run, now: datetime) -> str:
    """What an active run waits for."""
    in_hand = Batch.objects.leased().filter(run=run).count()
    if run.state == RunState.STOPPING:
        return leaving(_("Run %(seq)s is stopping") % {"seq": run.seq}, in_hand)
    if run.state == RunState.PAUSING:
        return leaving(_("Run %(seq)s is pausing") % {"seq": run.seq}, in_hand)
    if run.state == RunState.PAUSED:
        return why_paused(processor, run, now)
    if in_hand == 0:
        return why_nobody_works(run, now)
    if Batch.objects.expired(now).filter(run=run).count() == in_hand:
        return _(
            "The worker of run %(seq)s has not been heard of: its records are taken back and "
            "given to another one within a minute."
        ) % {"seq": run.seq}
    facts = {"seq": run.seq, "batches": batches(in_hand)}
    return _("Run %(seq)s is going on: %(batches)s in hand.") % facts


def leaving(start: str, in_hand: int) -> str:
    """What a run that is to end or to pause still waits for."""
    if not in_hand:
        return _("%(start)s: nothing is in hand any more.") % {"start": start}
    return _("%(start)s: %(batches)s still in hand.") % {
        "start": start,
        "batches": batches(in_hand),
    }


def batches(count: int) -> str:
    """`1 batch`, `2 batches`."""
    return _("1 batch") if count == 1 else _("%(count)s batches") % {"count": count}


def why_paused(processor: Processor, run: Run, now: datetime) -> str:
    """Who paused it; the machine's own note that it has paused says nothing."""
    act = last_act(processor, RunState.PAUSING, run)
    word = _("Run %(seq)s was paused") % {"seq": run.seq}
    return said(word, act, now) if act else f"{word}."


def why_nobody_works(run: Run, now: datetime) -> str:
    """A run without a batch in hand: no Redis, no worker, or none that is free."""
    if now - run.started_at < JUST_BEGUN:
        return _("Run %(seq)s has just begun.") % {"seq": run.seq}
    name = run.config.get("queue", "default")
    [queue] = queue_states([name])
    if queue.workers is None:
        return _("Run %(seq)s waits: Redis does not answer, so no worker hears of it.") % {
            "seq": run.seq
        }
    if queue.workers == 0:
        return _(
            "No worker listens to queue '%(queue)s', so run %(seq)s waits: start one with "
            "manage.py rqworker %(queue)s."
        ) % {"queue": name, "seq": run.seq}
    return _("Run %(seq)s waits for a free worker on queue '%(queue)s'.") % {
        "queue": name,
        "seq": run.seq,
    }


# No run is active


def why_waiting(processor: Processor, now: datetime) -> str:
    """When the next cycle begins, or why nobody begins it."""
    due, kind = processor.next_due_at, processor.trigger_kind
    if due is None:
        if kind == TriggerKind.MANUAL:
            return _("Started; a cycle begins only by hand.")
        return _("Started; the time of the next cycle is being worked out.")
    if due <= now - LATE:
        return _(
            "The next cycle was due %(late)s ago and nobody began it: start rqscheduler or a "
            "worker."
        ) % {"late": duration((now - due).total_seconds())}
    if kind == TriggerKind.ARRIVAL:
        return _("Waits for records: a cycle begins when one arrives.")
    if due <= now:
        return _("The next cycle is due now; it begins once a record waits.")
    wait = duration(max(1, int((due - now).total_seconds())))
    return _("Next cycle in %(wait)s.") % {"wait": wait}
