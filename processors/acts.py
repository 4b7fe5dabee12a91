"""An operator's act: who wants what and why, the frame it happens in, and how it is kept.

An act on a processor is one transaction: right, version, state, event and Django's log entry;
then the effect. One that comes twice with the same `operation` acts once. Errors are sentences
for the person. What the acts do stands elsewhere: in `control` and the modules above it.
"""

import getpass
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
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
from processors.clock import database_now
from processors.models import Actor, Event, Processor, StateConflict
from processors.models.door import Move
from processors.storable import scalar_trouble

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
