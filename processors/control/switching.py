"""Start and stop, and the end of a fault: what an operator wants of a processor."""

from dataclasses import replace
from datetime import datetime

from django.utils.translation import gettext as _

from processors.acts import Act, Refused, perform
from processors.clock import database_now
from processors.control.conditions import OPERATE, meanwhile, refuse_copy, since
from processors.control.pauses import go_on
from processors.models import Processor
from processors.protocol import cycles, pausing
from processors.states import ProcessorState, RunState


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
        return go_on(processor, act, now)
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


def clear_first(processor: Processor, act: Act, now: datetime) -> str:
    """Whoever starts or runs a faulted processor says that it is mended; that in a sentence."""
    if not processor.is_faulted:
        return ""
    processor.clear_fault(replace(act.at(now), operation=None))
    return trial_words()


def trial_words() -> str:
    """How a processor goes on whose fault was cleared, as the beginning of a sentence's line."""
    return _("Its fault was cleared; a few records are tried first. ")


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
    else:  # its run alone may have been paused until a time, at which nothing is to go on now
        Processor.objects.filter(pk=processor.pk).update(paused_until=None)
    if run is None or run.state == RunState.STOPPING:
        return _("%(processor)s was stopped.") % {"processor": processor}
    run.request_stop(act.at(database_now()))  # after its lock: no batch opens later than this
    cycles.end_soon(run)
    return _("%(processor)s was stopped; run %(seq)s ends after the records in hand.") % {
        "processor": processor,
        "seq": run.seq,
    }


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
