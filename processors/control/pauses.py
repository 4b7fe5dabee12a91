"""Pause and resume."""

from dataclasses import replace
from datetime import datetime
from functools import partial

from django.utils.translation import gettext as _

from processors.acts import Act, Refused, perform
from processors.control.conditions import OPERATE, check_end, meanwhile, refuse_copy
from processors.models import Event, Processor
from processors.protocol import cycles, pausing
from processors.states import ProcessorState, RunState
from processors.wording import until_then


def pause(processor_id: int, act: Act, *, until: datetime | None = None) -> str:
    """Let nothing be claimed until Resume, or until a time; the run stays the same one."""
    return perform(processor_id, act, OPERATE, partial(_pause, until=until))


def _pause(processor: Processor, act: Act, now: datetime, *, until: datetime | None) -> str:
    check_end(until, now)
    if until is None:
        Processor.objects.filter(pk=processor.pk).update(paused_until=None)
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
        cycles.end_soon(run)
        return _("%(processor)s was paused; run %(seq)s waits after the records in hand.") % {
            "processor": processor,
            "seq": run.seq,
        }
    return _("%(processor)s was paused.") % {"processor": processor}


def resume(processor_id: int, act: Act) -> str:
    """Go on after a pause, with the same run where one waits."""
    return perform(processor_id, act, OPERATE, go_on)


def go_on(processor: Processor, act: Act, now: datetime) -> str:
    """The verb itself, which Start means of a paused processor."""
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
