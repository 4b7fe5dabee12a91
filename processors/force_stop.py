"""Stop a run although records are in hand: they are taken from their workers.

Apart from the verbs of `control`, which wait for what is in hand: it has a right of its own and
does harm, so it wants the processor's name typed.
"""

from datetime import datetime

from django.utils.translation import gettext as _

from processors.acts import Act, Refused, perform
from processors.afterwards import after_commit
from processors.clock import database_now
from processors.models import Batch, Processor, Run
from processors.protocol import cycles
from processors.protocol.reaping import Taking, take_back
from processors.states import CloseReason, ProcessorState, RunState

FORCE_STOP = "processors.force_stop_processor"


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
