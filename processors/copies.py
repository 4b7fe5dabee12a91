"""A database that was copied or moved: nothing runs until a person has said which it is."""

from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext as _

from processors import control
from processors.acts import Act, Refused
from processors.models import Installation, Processor, Run
from processors.protocol import twins
from processors.states import ProcessorState, RunState


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
        control.stop(processor_id, act)
    return len(ids)
