"""Why a processor does what it does now: one sentence for the person who looks at it.

Entry points: `why` for one, `whys` for a page full of them. They read and never write; Redis is
asked only where the answer needs it.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from processors.blackouts import Blackout
from processors.circumstances import AskQueue, Facts, Known, ask_redis, read
from processors.in_hand import Hands
from processors.models import Event, Processor, Run
from processors.models.processor import TriggerKind
from processors.protocol import allowances, set_times, twins
from processors.protocol.all_paused import AllPaused
from processors.protocol.allowances import Held
from processors.states import ProcessorState, RunState
from processors.wording import moment, told

# A cycle that is due begins within a second or two where anything ticks.
LATE = timedelta(seconds=30)
JUST_NOW = timedelta(seconds=5)
OWNERS = 3  # workers that a sentence names


def why(processor: Processor, now: datetime, known: Known | None = None) -> str:
    """One sentence; costs a few queries, and a look at Redis where a run has no worker."""
    return whys([processor], now, known=known)[processor.pk]


def whys(
    processors: Iterable[Processor],
    now: datetime,
    queue: AskQueue = ask_redis,
    known: Known | None = None,
) -> dict[int, str]:
    """The sentence of each by its id; what that costs: see `circumstances.read`."""
    listed = list(processors)
    facts = read(listed, now, queue, known)
    return {one.pk: sentence(one, facts) for one in listed}


def sentence(processor: Processor, facts: Facts) -> str:
    """Why, from the facts alone."""
    run, now = facts.runs.get(processor.pk), facts.now
    if processor.is_faulted:
        return why_faulted(processor, run, facts)
    wants_work = run.state == RunState.RUNNING if run else processor.is_started
    if wants_work and facts.all_paused:
        return why_all_paused(facts.all_paused, run, facts)
    if run is not None:
        return of_run(run, facts)
    if processor.state == ProcessorState.STARTED:
        closed = why_closed(processor, now)
        return closed or why_unread(processor, facts) or why_waiting(processor, facts)
    act = facts.acts.get(processor.pk)
    word = _("Paused") if processor.state == ProcessorState.PAUSED else _("Stopped")
    if act is not None:
        return said(word, act, now)
    is_new = processor.state == ProcessorState.STOPPED and not processor.last_seq
    return _("Stopped: it was never started.") if is_new else f"{word}."


def why_faulted(processor: Processor, run: Run | None, facts: Facts) -> str:
    """What the machine stopped it for, and what is still in hand."""
    sentence = _("Faulted: %(reason)s") % {"reason": processor.fault_reason}
    leased = facts.hands.get(run.pk, Hands()).leased if run is not None else 0
    if run is None or not leased:
        return sentence
    going = leaving(_("Run %(seq)s is stopping") % {"seq": run.seq}, leased)
    return f"{sentence} {going}"


def why_all_paused(pause: AllPaused, run: Run | None, facts: Facts) -> str:
    """Who paused everything, and what is still in hand."""
    sentence = pause.sentence(facts.now)
    leased = facts.hands.get(run.pk, Hands()).leased if run is not None else 0
    if run is None or not leased:
        return sentence
    return f"{sentence} {leaving(_('Run %(seq)s is pausing') % {'seq': run.seq}, leased)}"


def said(word: str, act: Event, now: datetime) -> str:
    """`Stopped by anna at 14:02:11 UTC: the reason she gave.`"""
    facts = {"word": word, "actor": act.actor, "at": moment(act.at, now)}
    sentence = _("%(word)s by %(actor)s at %(at)s") % facts
    return f"{sentence}: {act.reason.rstrip('.')}." if act.reason else f"{sentence}."


# A run is active


def of_run(run: Run, facts: Facts) -> str:
    """What an active run waits for."""
    leased, overdue, is_silent, _ended = facts.hands.get(run.pk, Hands())
    if run.state == RunState.STOPPING:
        return leaving(_("Run %(seq)s is stopping") % {"seq": run.seq}, leased)
    if run.state == RunState.PAUSING:
        return leaving(_("Run %(seq)s is pausing") % {"seq": run.seq}, leased)
    if run.state == RunState.PAUSED:
        word = _("Run %(seq)s was paused") % {"seq": run.seq}
        act = facts.pauses.get(run.pk)
        return said(word, act, facts.now) if act else f"{word}."
    if leased == 0:
        return why_nobody_works(run, facts)
    if is_silent:
        return _(
            "The worker of run %(seq)s has not been heard of: its records are taken back and "
            "given to another one within a minute."
        ) % {"seq": run.seq}
    words = {"seq": run.seq, "batches": batches(leased), "unheard": batches(overdue)}
    going = _("Run %(seq)s is going on: %(batches)s in hand.") % words
    if overdue:
        going = _(
            "Run %(seq)s is going on: %(batches)s in hand. Nobody has heard of the worker of "
            "%(unheard)s (%(owners)s): its records are taken back and given to another one "
            "within a minute."
        ) % (words | {"owners": ", ".join(facts.silent_owners[run.pk][:OWNERS])})
    return with_holds(going, run, facts)


def with_holds(sentence: str, run: Run, facts: Facts) -> str:
    """And what limits by a key hold back meanwhile."""
    holds = facts.holds.get(run.pk, [])
    return " ".join([sentence, *(one.sentence(facts.now) for one in holds)])


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


def why_held(run: Run, held: Held, facts: Facts) -> str:
    """A run that a rate limit or a blackout keeps waiting."""
    words = {"seq": run.seq, "by": held.by, "when": told(held.until, facts.now)}
    if isinstance(held.by, Blackout):
        return _("Run %(seq)s waits for the end of the blackout “%(by)s”, %(when)s.") % words
    if held.by.by:
        return with_holds(_("Run %(seq)s waits.") % words, run, facts)
    return _("Run %(seq)s keeps to its rate limit of %(by)s: the next %(when)s.") % words


def why_nobody_works(run: Run, facts: Facts) -> str:
    """A run without a batch in hand: a rate limit, the moment, a copied database, or no worker."""
    if held := facts.held.get(run.pk):
        return why_held(run, held, facts)
    if facts.now - run.started_at < JUST_NOW:
        return _("Run %(seq)s has just begun.") % {"seq": run.seq}
    ended = facts.hands.get(run.pk, Hands()).ended_at
    if ended is not None and facts.now - ended < JUST_NOW:
        return _("Run %(seq)s is going on, between two batches.") % {"seq": run.seq}
    return str(twins.SENTENCE) if facts.is_copy else why_nobody_comes(run, facts)


def why_nobody_comes(run: Run, facts: Facts) -> str:
    """A run that no worker takes a batch of: no Redis, no worker, or none that is free."""
    name = run.config.get("queue", "default")
    queue = facts.queue(name)
    if queue.workers is None:
        return _("Run %(seq)s waits: Redis does not answer, so no worker hears of it.") % {
            "seq": run.seq
        }
    if queue.workers == 0:
        return _(
            "No worker listens to queue '%(queue)s', so run %(seq)s waits: start one with "
            "manage.py rqworker %(queue)s."
        ) % {"queue": name, "seq": run.seq}
    words = {"queue": name, "seq": run.seq}
    if trouble := facts.troubles.get(run.processor_id):
        return _("Run %(seq)s waits for its table: %(trouble)s") % (words | {"trouble": trouble})
    waits = _("Run %(seq)s waits for a free worker on queue '%(queue)s'.") % words
    return with_holds(waits, run, facts)


# No run is active


def why_closed(processor: Processor, now: datetime) -> str:
    """The blackout that is on; empty without one."""
    closed = allowances.closed(processor, now)
    if closed is None:
        return ""
    words = {"by": closed.by, "when": told(closed.until, now)}
    return _("Blackout “%(by)s”: it ends %(when)s.") % words


def why_unread(processor: Processor, facts: Facts) -> str:
    """A table that could not be read of late; empty where it could."""
    trouble = facts.troubles.get(processor.pk)
    return _("No cycle can begin: %(trouble)s") % {"trouble": trouble} if trouble else ""


def why_waiting(processor: Processor, facts: Facts) -> str:
    """When the next cycle begins, or why nobody begins it."""
    due, kind, now = processor.next_due_at, processor.trigger_kind, facts.now
    if due is None:
        if kind == TriggerKind.MANUAL:
            return _("Started; a cycle begins only by hand.")
        return _("Started; the time of the next cycle is being worked out.")
    if due <= now - LATE:
        return why_late(due, facts)
    if kind == TriggerKind.ARRIVAL:
        return why_empty(facts.starts.get(processor.pk), now)
    if due <= now:
        return _("The next cycle is due now: it begins within seconds if a record waits.")
    return why_later(processor, due, now)


def why_empty(start: datetime | None, now: datetime) -> str:
    """What a processor on arrival waits for; `start`: when a record's own time comes."""
    if start is None or start <= now:
        return _("Waits for records: a cycle begins when one arrives.")
    return _("A cycle begins when a record arrives, and %(when)s for what waits until then.") % {
        "when": told(start, now)
    }


def why_later(processor: Processor, due: datetime, now: datetime) -> str:
    """When what is due later begins."""
    begins = set_times.begins_at(processor, due)
    if begins is None:
        return _("Its blackouts cover every set time, and what they cover is skipped.")
    return _("Next cycle %(when)s.") % {"when": told(begins, now)}


def why_late(due: datetime, facts: Facts) -> str:
    """What is due has not begun."""
    if facts.is_copy:
        return str(twins.SENTENCE)
    return _(
        "The next cycle was due %(when)s and nobody began it: start rqscheduler or a worker."
    ) % {"when": told(due, facts.now)}
