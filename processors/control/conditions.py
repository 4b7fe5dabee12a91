"""When a verb is refused, and what its sentence says of the circumstances."""

from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from processors.acts import Refused
from processors.models import Event, Processor
from processors.protocol import all_paused, cycles, twins
from processors.states import ProcessorState

OPERATE = "processors.operate_processor"
LONGEST_PAUSE = timedelta(days=366)


def refuse_copy() -> None:
    """Raise Refused while nobody has said what this database is."""
    if twins.is_barred():
        raise Refused(str(twins.SENTENCE))


def refuse_while_busy(processor: Processor) -> None:
    """Raise Refused while a run goes on: there is one at a time."""
    run = cycles.active_run(processor)
    if run is not None:
        raise Refused(
            _("%(processor)s is busy with run %(seq)s: wait until it has ended.")
            % {"processor": processor, "seq": run.seq}
        )


def refuse_while_paused(processor: Processor, now: datetime) -> None:
    """Raise Refused while it, or everything, is paused: nothing is to be taken meanwhile."""
    if found := all_paused.current():
        raise Refused(_("%(found)s Resume everything first.") % {"found": found.sentence(now)})
    if processor.state == ProcessorState.PAUSED:
        raise Refused(
            _("%(processor)s is paused%(since)s: resume it first.")
            % {"processor": processor, "since": since(processor)}
        )


def check_end(until: datetime | None, now: datetime) -> None:
    """Raise Refused where a pause cannot end then."""
    if until is not None and not now < until <= now + LONGEST_PAUSE:
        raise Refused(_("Nothing was paused: the end of a pause lies ahead, at most a year."))


def meanwhile() -> str:
    """What an act that lets something begin says while everything is paused."""
    return _(" It waits until everything is resumed.") if all_paused.is_on() else ""


def since(processor: Processor) -> str:
    """` by anna since 14:02:11 UTC`, where the history tells."""
    last = Event.objects.of_operators(processor).newest()
    return f" (by {last.actor}, {last.at:%H:%M:%S} UTC)" if last else ""
