"""The operator's verbs: one function each, used by the admin, the commands and whatever follows.

Each is an act in the frame of `acts`, with the same right. Nothing that is in hand is taken from
its worker: that is `force_stop`.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.utils.translation import gettext as _

from processors.acts import Act, Refused, perform
from processors.afterwards import after_commit
from processors.clock import database_now
from processors.definitions import options_changed, other_options
from processors.models import Event, Processor, Run
from processors.models.run import Trigger
from processors.protocol import all_paused, cycles, pausing, twins
from processors.states import ProcessorState, RunState
from processors.wording import until_then

OPERATE = "processors.operate_processor"
CHANGE = "processors.change_processor"
LONGEST_PAUSE = timedelta(days=366)

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


def run_once(
    processor_id: int,
    act: Act,
    *,
    limit: int | None = None,
    options: Mapping[str, Any] | None = None,
) -> Run:
    """One cycle now, whatever the trigger says, of at most `limit` records; the run it makes.

    `options`: what its handler is told, for this run alone. Where that is not what the definition
    says, it asks for the right to change definitions too. Raises InvalidDefinition for options
    that do not fit.
    """
    if limit is not None and limit < 1:
        raise Refused(
            _("A run of %(limit)s records is none: give at least 1, or no limit.")
            % {"limit": limit}
        )
    made: list[Run] = []

    def verb(processor: Processor, act: Act, now: datetime) -> str:
        refuse_while_busy(processor)
        refuse_copy()
        refuse_while_paused(now)
        otherwise = options_for_once(processor, act, options)
        cleared = clear_first(processor, act, now)
        Processor.objects.filter(pk=processor.pk).update(judged_since=now)
        changes = options_changed(otherwise)
        beginning = cycles.Beginning(
            Trigger.MANUAL,
            act.at(now),
            by_hand=True,
            limit=limit,
            otherwise=otherwise,
            told=_("other options: %(changes)s") % {"changes": changes} if changes else "",
        )
        begun = cycles.begin(processor, beginning)
        if begun is None:
            raise Refused(
                _("%(processor)s began a run in this moment: look again.")
                % {"processor": processor}
            )
        made.append(begun)
        return f"{cleared}{begun_words(begun)}"

    message = perform(processor_id, act, OPERATE, verb)
    if not made:
        raise Refused(message)
    return made[0]


def options_for_once(
    processor: Processor, act: Act, options: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What a run with these options freezes other than the definition says.

    Raises InvalidDefinition, or PermissionDenied.
    """
    otherwise = {} if options is None else other_options(processor, options)
    if otherwise:
        act.require(CHANGE)
    return otherwise


def begun_words(run: Run) -> str:
    """That a run has begun, and with which options where they are not the definition's."""
    facts = {"seq": run.seq, "processor": run.processor, "changes": options_changed(run.config)}
    if facts["changes"]:
        return _("Run %(seq)s of %(processor)s has begun with other options: %(changes)s.") % facts
    return _("Run %(seq)s of %(processor)s has begun.") % facts


def refuse_while_busy(processor: Processor) -> None:
    """Raise Refused while a run goes on: there is one at a time."""
    run = cycles.active_run(processor)
    if run is not None:
        raise Refused(
            _("%(processor)s is busy with run %(seq)s: wait until it has ended.")
            % {"processor": processor, "seq": run.seq}
        )


def refuse_while_paused(now: datetime) -> None:
    """Raise Refused while everything is paused: the run could take nothing."""
    if found := all_paused.current():
        raise Refused(_("%(found)s Resume everything first.") % {"found": found.sentence(now)})


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


# What the verbs share


def refuse_copy() -> None:
    """Raise Refused while nobody has said what this database is."""
    if twins.is_barred():
        raise Refused(str(twins.SENTENCE))


def since(processor: Processor) -> str:
    """` by anna since 14:02:11 UTC`, where the history tells."""
    last = Event.objects.of_operators(processor).newest()
    return f" (by {last.actor}, {last.at:%H:%M:%S} UTC)" if last else ""
