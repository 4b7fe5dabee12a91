"""Write a definition that was found valid: a new processor, or changes to one, with their audit.

Whatever changes definitions goes through here, so that every change is told alike: an event, a
line in Django's log, and a version of the definition to compare with and to go back to.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from processors import control
from processors.acts import Act, Refused, log
from processors.clock import database_now
from processors.definitions import clean_limits, difference_words, differences, dump, limits_of
from processors.models import Actor, Event, Processor, Run, Version
from processors.models.door import Move
from processors.protocol import arming, lanes
from processors.querysets import ADMINISTER

CHANGE = control.CHANGE
ADD = "processors.add_processor"
CHANGE_SOURCE = "processors.change_source"
TUNE = "processors.tune_processor"
LIMITS, UNDO_LIMITS = "limits", "undo-limits"
SCHEDULE = frozenset({"trigger_kind", "pause_seconds", "cron", "time_zone"})


class ChangedMeanwhile(Exception):
    """Somebody saved the definition first; `processor` is what it is now."""

    def __init__(self, processor: Processor) -> None:
        self.processor = processor
        last = Version.objects.filter(processor=processor).newest()
        at = timezone.localtime(last.at if last else processor.changed_at)
        told = {"who": last.actor if last else _("somebody"), "at": f"{at:%H:%M}"}
        super().__init__(
            _("Changed by %(who)s at %(at)s; your changes are below, nothing was saved.") % told
        )


def create(columns: Mapping[str, Any], act: Act, *, action: str = "create") -> Processor:
    """A new processor, stopped; for a click that came before, the one it made.

    Raises PermissionDenied, or IntegrityError for a slug that was taken in this moment.
    """
    act.require(ADD)
    if columns["source_kind"] != "inbox":
        act.require(CHANGE_SOURCE)
    with transaction.atomic():
        if known := made_by(act.operation, columns["name"]):
            return known
        if act.operation and Event.objects.filter(operation=act.operation).exists():
            act = replace(act, operation=None)  # the page was gone back to, for another one
        processor: Processor = Processor.objects.create(**columns)
        how = act.at(database_now())
        Event.write(processor, action, how, to_state=processor.state)
        Version.keep(processor, dump(processor), action, how)
        log(act, processor, _("%(processor)s was created.") % {"processor": processor})
    return processor


def made_by(operation: UUID | None, name: str) -> Processor | None:
    """What a click has added already under this name; a page that was gone back to adds another."""
    done = Event.objects.filter(operation=operation, processor__name=name) if operation else None
    event = done.select_related("processor").first() if done is not None else None
    return event.processor if event else None


def change(
    processor_id: int,
    columns: Mapping[str, Any],
    act: Act,
    *,
    fits: Callable[[Processor], bool] = lambda _: True,
    action: str = "edit",
    right: str = CHANGE,
) -> Processor:
    """Write the columns that differ; nothing, and no event, where none does.

    `fits` says whether the stored definition is the one that the person saw; where nothing differs
    from it any more, as after a doubled click, that is no matter. Raises
    PermissionDenied, ChangedMeanwhile, Processor.DoesNotExist, or IntegrityError for a slug.
    """
    act.require(right)
    with transaction.atomic():
        processor = act.find(processor_id, lock=True)
        changed = {
            name: value for name, value in columns.items() if getattr(processor, name) != value
        }
        if changed and not fits(processor):
            raise ChangedMeanwhile(processor)
        if "source" in changed and {processor.source_kind, columns["source_kind"]} != {"inbox"}:
            act.require(CHANGE_SOURCE)
        if changed:
            write(processor, changed, act, action)
    return processor


def tune(
    processor_id: int,
    limits: Mapping[str, Any],
    act: Act,
    *,
    fits: Callable[[Processor], bool] = lambda _: True,
    action: str = LIMITS,
) -> Processor:
    """Other limits, from the next claim on; whoever operates may do it.

    Raises InvalidDefinition, and as `change`.
    """
    with transaction.atomic():
        columns = clean_limits(limits, act.find(processor_id, lock=True))
        return change(processor_id, columns, act, fits=fits, action=action, right=TUNE)


def undoable(processor: Processor) -> Version | None:
    """The last change of limits, while nothing of the definition was changed after it."""
    newest = Version.objects.filter(processor=processor).newest()
    is_last = newest is not None and newest.action == LIMITS and newest.number > 1
    return newest if is_last and newest and newest.definition == dump(processor) else None


def undo_limits(processor_id: int, number: int, act: Act) -> Processor:
    """The limits as they were before version `number`. Raises Refused, and as `tune`."""
    with transaction.atomic():
        processor = act.find(processor_id, lock=True)
        last = undoable(processor)
        if last is None or last.number != number:
            raise Refused(_("%(name)s was changed meanwhile; nothing was undone.")
                          % {"name": processor})  # fmt: skip
        before = Version.objects.get(processor=processor, number=number - 1)
        return tune(processor_id, limits_of(before.definition), act, action=UNDO_LIMITS)


def write(processor: Processor, changed: Mapping[str, Any], act: Act, action: str) -> None:
    """The columns, the histories, and the next cycle's time where the schedule is another."""
    now, before = database_now(), dump(processor)
    keep_unknown(processor, before)
    rows = Processor.objects.filter(pk=processor.pk)
    # What was seen of a handler stays true when only limits are other ones.
    judged = {} if action in (LIMITS, UNDO_LIMITS) else {"judged_since": now}
    rows.update(**changed, **judged, version=F("version") + 1, changed_at=now)
    processor.refresh_from_db()
    lanes.change(processor, before["rate_limits"], now)
    Version.keep(processor, dump(processor), action, act.at(now))
    words = change_words(before, dump(processor)) or names_of(changed)
    Event.write(processor, action, act.at(now).telling(words))
    log(act, processor, _("Changed %(words)s.") % {"words": words})
    if SCHEDULE & set(changed) and processor.is_started and not Run.objects.active_of(processor.pk):
        arming.arm(processor, now)


def keep_unknown(processor: Processor, definition: dict[str, Any]) -> None:
    """Keep what a definition says that no version tells of: it was changed past this module."""
    newest = Version.objects.filter(processor=processor).newest()
    if newest is None or newest.definition != definition:
        how = Move(Actor(_("unknown")), processor.changed_at)
        Version.keep(processor, definition, "found", how)


def change_words(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """`batch size: 500 → 50, options`: fields, and values where they are short."""
    return difference_words(differences(before, after))


def names_of(columns: Collection[str]) -> str:
    """What changed where no field of the definition did."""
    return ", ".join(name.replace("_", " ") for name in sorted(columns))


def keep_to(processor_id: int, groups: Collection[Group], act: Act) -> str:
    """Let none but members of these groups know of a processor; without groups, everyone may.

    Raises PermissionDenied or Processor.DoesNotExist.
    """
    act.require(ADMINISTER)
    with transaction.atomic():
        processor = act.find(processor_id, lock=True)
        before = set(processor.groups.all())
        if before == set(groups):
            return _("%(processor)s is kept to these groups already.") % {"processor": processor}
        processor.groups.set(groups)
        names = ", ".join(sorted(group.name for group in groups))
        words = _("kept to %(names)s") % {"names": names} if names else _("open to everyone")
        Event.write(processor, "access", act.at(database_now()).telling(words))
        log(act, processor, _("Access: %(words)s.") % {"words": words})
    return _("%(processor)s is now %(words)s.") % {"processor": processor, "words": words}
