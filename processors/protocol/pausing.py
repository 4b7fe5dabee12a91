"""The end of a pause, by a person or by itself; and the first cycle after a start."""

from datetime import datetime
from functools import partial

from django.db import transaction
from django.utils.translation import gettext as _

from processors import queues
from processors.afterwards import after_commit, attempt
from processors.models import Actor, Processor, Run
from processors.models.door import Move
from processors.models.processor import TriggerKind
from processors.protocol import arming, cycles
from processors.states import ProcessorState, RunState

WAITING = (RunState.PAUSED, RunState.PAUSING)


def first_cycle(processor: Processor, actor: Actor, now: datetime) -> None:
    """When a started processor's first cycle may begin, and the attempt to begin it."""
    slot = arming.next_slot(processor, now) if processor.trigger_kind == TriggerKind.CRON else now
    Processor.objects.filter(pk=processor.pk).update(next_slot_at=slot, next_due_at=slot)
    # Without waiting for the next tick, which would do it as well.
    after_commit(lambda: cycles.begin_due(processor.pk, actor), f"the next cycle of {processor}")


def resume(processor: Processor, run: Run | None, how: Move) -> bool:
    """Go on, with the same run where one waits; whether one did. Both rows locked."""
    Processor.objects.filter(pk=processor.pk).update(paused_until=None)
    was_paused = processor.state == ProcessorState.PAUSED
    if was_paused:
        processor.resume(how)
    if run is None and was_paused:  # else it was stopped meanwhile
        first_cycle(processor, how.actor, how.now)
    elif run is not None and run.state in WAITING:
        run.resume(how)
        queues.wake_on_commit(run.pk, run.config["queue"], processor.parallelism)
        return True
    return False


def resume_due(now: datetime) -> int:
    """End every pause whose time has come; how many."""
    due = Processor.objects.filter(paused_until__lte=now)
    return sum(
        bool(attempt(partial(resume_one, pk, now), f"the end of the pause of processor {pk}"))
        for pk in due.values_list("pk", flat=True)
    )


def resume_one(processor_id: int, now: datetime) -> bool:
    """End the pause of one processor, unless somebody was first."""
    with transaction.atomic(durable=True):
        rows = Processor.objects.select_for_update(skip_locked=True, no_key=True)
        processor = rows.filter(pk=processor_id, paused_until__lte=now).first()
        if processor is None:
            return False
        run = cycles.active_run(processor)
        resume(processor, run, Move(cycles.MACHINE, now, _("its pause has ended")))
    return True
