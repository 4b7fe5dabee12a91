"""Write a definition that was found valid: a new processor, or changes to one, with their audit.

The form uses it; whatever else changes definitions should, so that every change is told alike.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import F

from processors.clock import database_now
from processors.control import Act, log
from processors.models import Event, Processor, Run
from processors.protocol import cycles
from processors.querysets import ADMINISTER

CHANGE = "processors.change_processor"
ADD = "processors.add_processor"
CHANGE_SOURCE = "processors.change_source"
SCHEDULE = frozenset({"trigger_kind", "pause_seconds", "cron", "time_zone"})


class ChangedMeanwhile(Exception):
    """Somebody saved the definition first; `processor` is what it is now."""

    def __init__(self, processor: Processor) -> None:
        self.processor = processor
        super().__init__(f"{processor} was changed meanwhile. Nothing was saved.")


def create(columns: Mapping[str, Any], act: Act, *, action: str = "create") -> Processor:
    """A new processor, stopped; for a click that came before, the one it made.

    Raises PermissionDenied, or IntegrityError for a slug that was taken in this moment.
    """
    act.require(ADD)
    if columns["source_kind"] != "inbox":
        act.require(CHANGE_SOURCE)
    with transaction.atomic():
        if act.operation and (done := Event.objects.filter(operation=act.operation).first()):
            known: Processor = done.processor
            return known
        processor: Processor = Processor.objects.create(**columns)
        Event.write(processor, action, act.at(database_now()), to_state=processor.state)
        log(act, processor, f"{processor} was created.")
    return processor


def change(
    processor_id: int,
    columns: Mapping[str, Any],
    act: Act,
    *,
    fits: Callable[[Processor], bool] = lambda _: True,
    action: str = "edit",
) -> Processor:
    """Write the columns that differ; nothing, and no event, where none does.

    `fits` says whether the stored definition is the one that the person saw. Raises
    PermissionDenied, ChangedMeanwhile, Processor.DoesNotExist, or IntegrityError for a slug.
    """
    act.require(CHANGE)
    with transaction.atomic():
        processor = act.find(processor_id, lock=True)
        if not fits(processor):
            raise ChangedMeanwhile(processor)
        changed = {
            name: value for name, value in columns.items() if getattr(processor, name) != value
        }
        if "source" in changed and {processor.source_kind, columns["source_kind"]} != {"inbox"}:
            act.require(CHANGE_SOURCE)
        if changed:
            write(processor, changed, act, action)
    return processor


def write(processor: Processor, changed: Mapping[str, Any], act: Act, action: str) -> None:
    """The columns, both histories, and the next cycle's time where the schedule is another."""
    now = database_now()
    rows = Processor.objects.filter(pk=processor.pk)
    rows.update(**changed, version=F("version") + 1, changed_at=now, judged_since=now)
    processor.refresh_from_db()
    words = ", ".join(name.replace("_", " ") for name in sorted(changed))
    reason = f"{words}: {act.reason}" if act.reason else words
    Event.write(processor, action, Act(act.actor, reason, operation=act.operation).at(now))
    log(act, processor, f"Changed {words}.")
    if SCHEDULE & set(changed) and processor.is_started and not Run.objects.active_of(processor.pk):
        cycles.arm(processor, now)


def keep_to(processor_id: int, groups: Collection[Group], act: Act) -> str:
    """Let none but members of these groups know of a processor; without groups, everyone may.

    Raises PermissionDenied or Processor.DoesNotExist.
    """
    act.require(ADMINISTER)
    with transaction.atomic():
        processor = act.find(processor_id, lock=True)
        before = set(processor.groups.all())
        if before == set(groups):
            return f"{processor} is kept to these groups already."
        processor.groups.set(groups)
        names = ", ".join(sorted(group.name for group in groups))
        words = f"kept to {names}" if names else "open to everyone"
        reason = f"{words}: {act.reason}" if act.reason else words
        Event.write(processor, "access", replace(act, reason=reason).at(database_now()))
        log(act, processor, f"Access: {words}.")
    return f"{processor} is now {words}."
