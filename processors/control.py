"""The operator's verbs: one function each, used by the admin, the commands and whatever follows.

Each is one transaction: right, version, state, event and Django's log entry; then the effect. An
act that comes twice with the same `operation` acts once. Errors are sentences for the person.
"""

import getpass
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import BadRequest, PermissionDenied
from django.db import transaction
from django.db.models import Model
from django.utils.translation import gettext as _

from processors import failpoints
from processors.afterwards import after_commit
from processors.clock import database_now
from processors.models import Actor, Batch, Event, Installation, Processor, Run, StateConflict
from processors.models.door import Move
from processors.models.run import Trigger
from processors.protocol import all_paused, cycles, pausing, twins
from processors.protocol.reaping import Taking, take_back
from processors.states import CloseReason, ProcessorState, RunState
from processors.storable import scalar_trouble
from processors.wording import until_then

OPERATE = "processors.operate_processor"
FORCE_STOP = "processors.force_stop_processor"
LONGEST_PAUSE = timedelta(days=366)

LONGEST_REASON = 1000  # characters

COMMAND_LINE = "command-line"


class Refused(Exception):
    """The act is not possible now; the message says why and what is."""


class UnfitReason(Refused, BadRequest):
    """A reason that cannot be kept; in the admin a page of its own says so."""


@dataclass(frozen=True)
class Act:
    """Who wants something and why.

    `version`: of the processor as the person saw it, None to act on whatever it is now.
    `operation`: names the click, so that a doubled one acts once.
    `trusted`: from a shell, where whoever can run it may do everything.
    """

    actor: Actor
    reason: str = ""
    version: int | None = None
    operation: uuid.UUID | None = None
    trusted: bool = False

    def at(self, now: datetime) -> Move:
        """As a move at a time."""
        return Move(self.actor, now, self.reason, self.operation)

    def require(self, permission: str) -> None:
        """Raise PermissionDenied unless the person may."""
        user = self.actor.user
        if not self.trusted and (user is None or not user.has_perm(permission)):
            raise PermissionDenied(_("You do not have the right to do this."))

    def find(self, processor_id: int, *, lock: bool = False) -> Processor:
        """The processor, if the person may know of it. Raises Processor.DoesNotExist."""
        processors = Processor.objects.all()
        if not self.trusted:
            processors = processors.visible_to(self.actor.user or AnonymousUser())
        if lock:
            processors = processors.select_for_update(no_key=True)
        found: Processor = processors.get(pk=processor_id)
        return found


def by_user(
    user: User,
    reason: str = "",
    *,
    version: int | None = None,
    operation: uuid.UUID | None = None,
) -> Act:
    """An act in the admin. Raises UnfitReason."""
    return Act(Actor(user.get_username(), user), fit(reason), version, operation)


def by_command_line(reason: str = "") -> Act:
    """An act from a shell. Django's log wants a user: one that can never sign in.

    Raises UnfitReason.
    """
    user, _ = get_user_model().objects.get_or_create(
        username=COMMAND_LINE, defaults={"is_active": False, "first_name": "Command line"}
    )
    return Act(Actor(f"{COMMAND_LINE} ({getpass.getuser()})", user), fit(reason), trusted=True)


def fit(reason: str) -> str:
    """A reason as it is kept. Raises UnfitReason."""
    text = reason.strip()
    if len(text) > LONGEST_REASON:
        raise UnfitReason(
            _("A reason has at most %(most)s characters (this has %(number)s). Nothing was done.")
            % {"most": LONGEST_REASON, "number": len(text)}
        )
    trouble = scalar_trouble(text, "the reason")
    if trouble:
        raise UnfitReason(_("%(trouble)s Nothing was done.") % {"trouble": trouble})
    return text


Verb = Callable[[Processor, Act, datetime], str]


def perform(processor_id: int, act: Act, permission: str, verb: Verb) -> str:
    """The frame of every act on a processor; the verb's sentence for the person.

    Raises PermissionDenied, Refused, or Processor.DoesNotExist.
    """
    act.require(permission)
    with transaction.atomic():
        # Before what follows the commit.
        transaction.on_commit(partial(failpoints.reach, "operator.after_commit"))
        processor = act.find(processor_id, lock=True)
        if act.operation and Event.objects.filter(operation=act.operation).exists():
            return _("%(processor)s: this was done already.") % {"processor": processor}
        try:
            processor.check_version(act.version)
            message = verb(processor, act, database_now())
        except StateConflict as conflict:
            raise Refused(str(conflict)) from conflict
        remember_click(processor, act)
        log(act, processor, message)
        failpoints.reach("operator.before_commit")
    return message


def remember_click(processor: Processor, act: Act) -> None:
    """One event of the act carries the click's name: an act that moved only a run has it there."""
    if act.operation is None or Event.objects.filter(operation=act.operation).exists():
        return
    newest = Event.objects.filter(processor=processor).newest()
    if newest is not None:
        Event.objects.filter(pk=newest.pk).update(operation=act.operation)


def log(act: Act, subject: Model, message: str, *, name: str = "") -> None:
    """Django's own history, of people's acts; `name` is the subject's where it has none itself."""
    if act.actor.user is None:
        return
    LogEntry.objects.create(
        user=act.actor.user,
        content_type=ContentType.objects.get_for_model(subject),
        object_id=str(subject.pk),
        object_repr=(name or str(subject))[:200],
        action_flag=CHANGE,
        change_message=f"{message} {act.reason}".strip(),
    )


# Start


def start(processor_id: int, act: Act) -> str:
    """Let cycles begin; the first at once, a cron's at its next set time.

    A run that waits after a pause goes on: nothing else would ever begin before it has ended.
    """
    return perform(processor_id, act, OPERATE, _start)


def _start(processor: Processor, act: Act, now: datetime) -> str:
    if processor.is_started:
        raise Refused(
            _("%(processor)s is started already%(since)s.")
            % {"processor": processor, "since": since(processor)}
        )
    refuse_copy()
    if processor.state == ProcessorState.PAUSED:
        return _resume(processor, act, now)
    cleared = clear_first(processor, act, now)
    processor.start(act.at(now))
    run = cycles.active_run(processor)
    if run is not None and run.state in pausing.WAITING:
        pausing.resume(processor, run, act.at(now))
        return _("%(processor)s was started and goes on with run %(seq)s.%(meanwhile)s") % {
            "processor": processor,
            "seq": run.seq,
            "meanwhile": meanwhile(),
        }
    pausing.first_cycle(processor, act.actor, now)
    return _("%(cleared)s%(processor)s was started.%(meanwhile)s") % {
        "cleared": cleared,
        "processor": processor,
        "meanwhile": meanwhile(),
    }


def meanwhile() -> str:
    """What an act that lets something begin says while everything is paused."""
    return _(" It waits until everything is resumed.") if all_paused.is_on() else ""


def clear_first(processor: Processor, act: Act, now: datetime) -> str:
    """Whoever starts or runs a faulted processor says that it is mended; that in a sentence."""
    if not processor.is_faulted:
        return ""
    processor.clear_fault(replace(act.at(now), operation=None))
    return _("Its fault was cleared; a few records are tried first. ")


# Stop


def stop(processor_id: int, act: Act) -> str:
    """Let no cycle begin; the run in hand ends after the records in hand."""
    return perform(processor_id, act, OPERATE, _stop)


def _stop(processor: Processor, act: Act, now: datetime) -> str:
    run = cycles.active_run(processor)
    if processor.state == ProcessorState.STOPPED and run is None:
        raise Refused(
            _("%(processor)s is stopped already%(since)s.")
            % {"processor": processor, "since": since(processor)}
        )
    if processor.state != ProcessorState.STOPPED:
        processor.stop(act.at(now))
    if run is None or run.state == RunState.STOPPING:
        return _("%(processor)s was stopped.") % {"processor": processor}
    run.request_stop(act.at(database_now()))  # after its lock: no batch opens later than this
    end_soon(run)
    return _("%(processor)s was stopped; run %(seq)s ends after the records in hand.") % {
        "processor": processor,
        "seq": run.seq,
    }


def end_soon(run: Run) -> None:
    """End the run right after the commit where nothing is in hand; else its workers do."""
    after_commit(lambda: cycles.end_cycle(run.pk), _("the end of %(run)s") % {"run": run})


# Pause and resume


def pause(processor_id: int, act: Act, *, until: datetime | None = None) -> str:
    """Let nothing be claimed until Resume, or until a time; the run stays the same one."""
    return perform(processor_id, act, OPERATE, partial(_pause, until=until))


def _pause(processor: Processor, act: Act, now: datetime, *, until: datetime | None) -> str:
    check_end(until, now)
    if until is None:
        return _hold(processor, act, now)
    told = replace(act, reason=until_then(until, act.reason))
    if processor.state == ProcessorState.PAUSED:
        Event.write(processor, "pause", told.at(now), from_state="paused", to_state="paused")
        message = _("%(processor)s stays paused.") % {"processor": processor}
    else:
        message = _hold(processor, told, now)
    Processor.objects.filter(pk=processor.pk).update(paused_until=until)
    return _("%(message)s It goes on by itself at %(until)s.") % {
        "message": message,
        "until": f"{until:%Y-%m-%d %H:%M %Z}",
    }


def check_end(until: datetime | None, now: datetime) -> None:
    """Raise Refused where a pause cannot end then."""
    if until is not None and not now < until <= now + LONGEST_PAUSE:
        raise Refused(_("Nothing was paused: the end of a pause lies ahead, at most a year."))


def _hold(processor: Processor, act: Act, now: datetime) -> str:
    run = cycles.active_run(processor)
    if processor.is_started:
        processor.pause(act.at(now))
    elif run is None or run.state != RunState.RUNNING:
        raise Refused(
            _("%(processor)s is %(state)s: nothing to pause.")
            % {"processor": processor, "state": processor.get_state_display().lower()}
        )
    if run is not None and run.state == RunState.RUNNING:
        run.request_pause(act.at(now))
        end_soon(run)
        return _("%(processor)s was paused; run %(seq)s waits after the records in hand.") % {
            "processor": processor,
            "seq": run.seq,
        }
    return _("%(processor)s was paused.") % {"processor": processor}


def resume(processor_id: int, act: Act) -> str:
    """Go on after a pause, with the same run where one waits."""
    return perform(processor_id, act, OPERATE, _resume)


def _resume(processor: Processor, act: Act, now: datetime) -> str:
    run = cycles.active_run(processor)
    if processor.state != ProcessorState.PAUSED and not (run and run.state in pausing.WAITING):
        raise Refused(
            _("%(processor)s is %(state)s: nothing to resume.")
            % {"processor": processor, "state": processor.get_state_display().lower()}
        )
    refuse_copy()
    if pausing.resume(processor, run, act.at(now)) and run is not None:
        return _("%(processor)s goes on with run %(seq)s.%(meanwhile)s") % {
            "processor": processor,
            "seq": run.seq,
            "meanwhile": meanwhile(),
        }
    return _("%(processor)s goes on.%(meanwhile)s") % {
        "processor": processor,
        "meanwhile": meanwhile(),
    }


# Run once


def run_once(processor_id: int, act: Act, *, limit: int | None = None) -> Run:
    """One cycle now, whatever the trigger says, of at most `limit` records; the run it makes."""
    if limit is not None and limit < 1:
        raise Refused(
            _("A run of %(limit)s records is none: give at least 1, or no limit.")
            % {"limit": limit}
        )
    made: list[Run] = []

    def verb(processor: Processor, act: Act, now: datetime) -> str:
        run = cycles.active_run(processor)
        if run is not None:
            raise Refused(
                _("%(processor)s is busy with run %(seq)s: wait until it has ended.")
                % {"processor": processor, "seq": run.seq}
            )
        refuse_copy()
        refuse_while_paused(now)
        cleared = clear_first(processor, act, now)
        Processor.objects.filter(pk=processor.pk).update(judged_since=now)
        beginning = cycles.Beginning(Trigger.MANUAL, act.at(now), by_hand=True, limit=limit)
        begun = cycles.begin(processor, beginning)
        if begun is None:
            raise Refused(
                _("%(processor)s began a run in this moment: look again.")
                % {"processor": processor}
            )
        made.append(begun)
        return _("%(cleared)sRun %(seq)s of %(processor)s has begun.") % {
            "cleared": cleared,
            "seq": begun.seq,
            "processor": processor,
        }

    message = perform(processor_id, act, OPERATE, verb)
    if not made:
        raise Refused(message)
    return made[0]


def refuse_while_paused(now: datetime) -> None:
    """Raise Refused while everything is paused: the run could take nothing."""
    if found := all_paused.current():
        raise Refused(_("%(found)s Resume everything first.") % {"found": found.sentence(now)})


# Force stop


def force_stop(processor_id: int, act: Act, *, typed_name: str) -> str:
    """Stop without waiting for the records in hand; they come under suspicion.

    `typed_name` must be the processor's slug: the person read what this does.
    """

    def verb(processor: Processor, act: Act, now: datetime) -> str:
        if typed_name != processor.slug:
            raise Refused(
                _("Nothing was stopped: type %(slug)s to confirm.") % {"slug": processor.slug}
            )
        run = cycles.active_run(processor)
        if run is None:
            raise Refused(_("%(processor)s has no run to stop.") % {"processor": processor})
        if processor.state != ProcessorState.STOPPED:
            processor.stop(act.at(now))
        if run.state != RunState.STOPPING:
            run.request_stop(act.at(database_now()))
        after_commit(lambda: take_all(run, act), _("the end of %(run)s") % {"run": run})
        return _("%(processor)s was forced to stop; run %(seq)s has ended.") % {
            "processor": processor,
            "seq": run.seq,
        }

    return perform(processor_id, act, FORCE_STOP, verb)


def take_all(run: Run, act: Act) -> None:
    """Take every batch of a run from its workers, and end it."""
    message = _("An operator forced the run to stop while this record was in hand.")
    for batch in Batch.objects.leased().filter(run=run):
        how = act.at(database_now())
        take_back(batch, Taking(CloseReason.FORCED, message, how, "ForcedStop"))
    cycles.end_cycle(run.pk, act.actor)


# Faults


def clear_fault(processor_id: int, act: Act) -> str:
    """The operator has mended what had stopped the processor."""

    def verb(processor: Processor, act: Act, now: datetime) -> str:
        if not processor.is_faulted:
            raise Refused(_("%(processor)s has no fault to clear.") % {"processor": processor})
        processor.clear_fault(act.at(now))
        return _("The fault of %(processor)s was cleared; start it when you are ready.") % {
            "processor": processor
        }

    return perform(processor_id, act, OPERATE, verb)


# A database that was copied or moved


def refuse_copy() -> None:
    """Raise Refused while nobody has said what this database is."""
    if twins.is_barred():
        raise Refused(str(twins.SENTENCE))


def settle_installation(act: Act, *, as_copy: bool) -> str:
    """Say what a database is that was copied or moved; a copy's processors are stopped first.

    Raises Refused where it is in its place, PermissionDenied to whoever is not at a shell.
    """
    if not act.trusted:
        raise PermissionDenied(_("Only a command can say this."))
    if not twins.is_barred():
        raise Refused(_("Nothing was changed: this database is where it was made."))
    stopped = stop_all(act) if as_copy else 0
    Installation.settle_here(as_copy=as_copy)
    if as_copy:
        return _("This is a copy with a name of its own now. Processors stopped: %(stopped)s.") % {
            "stopped": stopped
        }
    return _("This is the original, in its new place. Everything goes on.")


def stop_all(act: Act) -> int:
    """Stop whatever is started or has a run; how many were."""
    busy = Processor.objects.exclude(state=ProcessorState.STOPPED) | Processor.objects.filter(
        pk__in=Run.objects.active().exclude(state=RunState.STOPPING).values("processor")
    )
    ids = sorted(set(busy.values_list("pk", flat=True)))
    for processor_id in ids:
        stop(processor_id, act)
    return len(ids)


# Facts the verbs share


def since(processor: Processor) -> str:
    """` by anna since 14:02:11 UTC`, where the history tells."""
    last = Event.objects.of_operators(processor).newest()
    return f" (by {last.actor}, {last.at:%H:%M:%S} UTC)" if last else ""
