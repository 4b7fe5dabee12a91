"""The operator's verbs as buttons: which are offered, and what a click carries.

Each click carries the version of the processor as the page showed it and a number of its own, so
that an act on an old page is refused and a doubled click acts once.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from processors import control
from processors.acts import Act, by_user
from processors.admin import asking
from processors.admin.base import user_of
from processors.models import Processor, Run
from processors.models.processor import TriggerKind
from processors.states import ProcessorState, RunState


def run_once(processor_id: int, act: Act) -> str:
    """control's, with a sentence instead of the run."""
    return control.begun_words(control.run_once(processor_id, act))


@dataclass(frozen=True)
class Verb:
    """One thing an operator can do to a processor; with `asks`, a page comes first."""

    name: str
    label: Any
    act: Callable[[int, Act], str]
    done: Any = ""
    look: str = ""
    asks: bool = False
    warning: Any = ""

    @property
    def caption(self) -> Any:
        """What its button says; the dots tell that a question comes."""
        return format_lazy("{}…", self.label) if self.asks else self.label


VERBS = {
    verb.name: verb
    for verb in (
        Verb("start", _("Start"), control.start, _("Started"), "go"),
        Verb("resume", _("Resume"), control.resume, _("Resumed"), "solid"),
        Verb("run-once", _("Run once"), run_once, _("Begun")),
        Verb(
            "pause",
            _("Pause"),
            control.pause,
            _("Paused"),
            asks=True,
            warning=_(
                "No further record is taken. Records in hand are finished; then the run waits."
            ),
        ),
        Verb(
            "stop",
            _("Stop"),
            control.stop,
            _("Stopped"),
            "stop",
            asks=True,
            warning=_("No further record is taken. Records in hand are finished; the run ends."),
        ),
        Verb("clear-fault", _("Clear fault"), control.clear_fault, _("Cleared")),
        Verb("clear-and-start", _("Clear fault and start"), control.start, _("Started"), "go"),
    )
}


@dataclass(frozen=True)
class Button:
    """A verb that is possible now."""

    verb: Verb
    processor: Processor
    click: uuid.UUID = field(default_factory=uuid.uuid4)

    @property
    def url(self) -> str:
        """Where it posts to."""
        return reverse(f"admin:processors_processor_{self.verb.name}", args=[self.processor.pk])

    @property
    def seen(self) -> str:
        """What the click carries."""
        return f"{self.processor.version}:{self.click}"


def buttons(processor: Processor, run: Run | None, request: HttpRequest) -> list[Button]:
    """What this person can do to this processor now."""
    if not request.user.has_perm(control.OPERATE):
        return []
    names = possible(processor, run)
    if "run-once" in names and asking.pause_of_all(request):
        names.remove("run-once")
    return [Button(VERBS[name], processor) for name in names]


def to_run_once(processor: Processor, run: Run | None, request: HttpRequest) -> list[Button]:
    """Of the same the one that begins a run by hand; none where that would be refused."""
    return [one for one in buttons(processor, run, request) if one.verb.name == "run-once"]


def possible(processor: Processor, run: Run | None) -> list[str]:
    """The verbs that control would not refuse, in the order of the row.

    While everything is paused it refuses one more: whatever begins a run by hand.
    """
    state = RunState(run.state) if run else None
    waits = processor.state == ProcessorState.PAUSED or state in (RunState.PAUSED, RunState.PAUSING)
    if waits:
        return ["resume", "stop"]
    if processor.is_started or state == RunState.RUNNING:
        if run is not None:
            return ["pause", "stop"]
        by_hand = processor.trigger_kind == TriggerKind.MANUAL  # then lists offer that first
        return ["run-once", "stop", "pause"] if by_hand else ["pause", "stop", "run-once"]
    if run is not None:  # stopping: it ends by itself
        return ["clear-and-start"] if processor.is_faulted else ["start"]
    if processor.is_faulted:
        return ["clear-and-start", "run-once", "clear-fault"]
    return ["start", "run-once"]


class OldPage(Exception):
    """The click carries nothing that can be checked; the message says what to do."""


def act_of(request: HttpRequest) -> Act:
    """The act a click stands for. Raises OldPage."""
    version, _colon, click = request.POST.get("seen", "").partition(":")
    try:
        seen, operation = int(version), uuid.UUID(click)
    except ValueError as error:
        raise OldPage(
            _("Nothing was done: this page is too old. Look at it again, then decide.")
        ) from error
    reason = request.POST.get("reason", "")
    return by_user(user_of(request), reason, version=seen, operation=operation)
