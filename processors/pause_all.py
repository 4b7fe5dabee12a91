"""Pause and resume everything in one act: for the night the database moves, or for a bad feeling.

As the verbs in `control`: one transaction with right, effect, events and Django's log entry.
"""

from collections.abc import Callable
from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from processors.acts import Act, Refused, log
from processors.clock import database_now
from processors.control.conditions import OPERATE, check_end, refuse_copy
from processors.models import Event, Installation, Processor, Run
from processors.protocol import all_paused
from processors.protocol.all_paused import AllPaused
from processors.querysets import Person
from processors.states import ProcessorState, RunState

Verb = Callable[[AllPaused | None, datetime], str]


def may_pause_all(person: Person) -> bool:
    """Whether this person may: an operator from whom no processor is kept."""
    return person.has_perm(OPERATE) and not Processor.objects.hidden_from(person)


def pause_all(act: Act, *, until: datetime | None = None) -> str:
    """Let nothing begin or be claimed until Resume, or until a time; the sentence for the person.

    Paused already: the new reason and end count. Raises PermissionDenied, Refused.
    """

    def verb(found: AllPaused | None, now: datetime) -> str:
        check_end(until, now)
        all_paused.begin(act.at(now), until)
        said = (
            _("Everything stays paused.")
            if found
            else _("Everything was paused.%(what_waits)s") % {"what_waits": what_waits()}
        )
        ends = (
            _(" It goes on by itself at %(until)s.") % {"until": f"{until:%Y-%m-%d %H:%M %Z}"}
            if until
            else ""
        )
        return said + ends

    return perform(act, verb)


def what_waits() -> str:
    """How many runs come to rest, as a sentence; empty without any."""
    count = Run.objects.active().filter(state=RunState.RUNNING).count()
    if not count:
        return ""
    waits = ngettext(
        " %(count)s run waits after the records in hand.",
        " %(count)s runs wait after the records in hand.",
        count,
    )
    return waits % {"count": count}


def resume_all(act: Act) -> str:
    """Go on, each processor as it was before; what was paused by itself stays paused.

    Raises PermissionDenied, Refused.
    """

    def verb(found: AllPaused | None, now: datetime) -> str:
        if found is None:
            raise Refused(_("Nothing was resumed: not everything is paused."))
        refuse_copy()
        all_paused.end(act.at(now))
        paused = Processor.objects.filter(state=ProcessorState.PAUSED).count()
        kept = (
            _(" Paused by themselves, and still so: %(paused)s.") % {"paused": paused}
            if paused
            else ""
        )
        return _("Everything goes on.%(kept)s") % {"kept": kept}

    return perform(act, verb)


def perform(act: Act, verb: Verb) -> str:
    """The frame of both: right, doubled click, old page, effect, log."""
    require(act)
    with transaction.atomic():
        this = Installation.objects.select_for_update(no_key=True).get(pk=1)
        if act.operation and Event.objects.filter(operation=act.operation).exists():
            return _("This was done already.")
        found, now = all_paused.current(), database_now()
        check_page(act, found, now)
        message = verb(found, now)
        log(act, this, message, name="Everything")
    return message


def require(act: Act) -> None:
    """Raise PermissionDenied unless the person may pause everything."""
    act.require(OPERATE)
    if not act.trusted and (act.actor.user is None or not may_pause_all(act.actor.user)):
        raise PermissionDenied(_("Some processors are kept to groups that you are not in."))


def check_page(act: Act, found: AllPaused | None, now: datetime) -> None:
    """Refuse an act on a page that shows an older state. Raises Refused."""
    if act.version is None or act.version == stamp(found):
        return
    state = found.sentence(now) if found else _("Everything was resumed meanwhile.")
    raise Refused(
        _("Nothing was done, this page was old. %(state)s Look again, then decide.")
        % {"state": state}
    )


def stamp(found: AllPaused | None) -> int:
    """What a page notes of the state that it shows."""
    return found.stamp if found else 0
