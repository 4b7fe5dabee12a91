"""How states look: sign, word and colour."""

from collections.abc import Mapping

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from processors.models import Processor, Record, Run
from processors.states import ProcessorState, RecordState, RunState

RUN_LOOKS: Mapping[str, tuple[str, str]] = {
    RunState.RUNNING: ("run", "▶"),
    RunState.PAUSING: ("warn", "❚❚"),
    RunState.PAUSED: ("warn", "❚❚"),
    RunState.STOPPING: ("idle", "■"),
    RunState.FINISHED: ("ok", "✓"),
    RunState.STOPPED: ("idle", "■"),
    RunState.FAILED: ("bad", "✕"),
}
PROCESSOR_LOOKS: Mapping[str, tuple[str, str]] = {
    ProcessorState.STARTED: ("ok", "○"),
    ProcessorState.PAUSED: ("warn", "❚❚"),
    ProcessorState.STOPPED: ("idle", "■"),
}
RECORD_LOOKS: Mapping[str, tuple[str, str]] = {
    RecordState.READY: ("idle", "…"),
    RecordState.CLAIMED: ("run", "▶"),
    RecordState.DONE: ("ok", "✓"),
    RecordState.SKIPPED: ("idle", "–"),  # noqa: RUF001 - the sign for "left out"
    RecordState.DEAD: ("bad", "✕"),
    RecordState.PARKED: ("warn", "?"),
}


def badge(look: str, sign: str, word: object) -> SafeString:
    """A state: sign, word and colour, each enough by itself."""
    return format_html(
        '<span class="badge {}"><span aria-hidden="true">{}</span> {}</span>', look, sign, word
    )


def processor_badge(processor: Processor) -> SafeString:
    """Its state; its active run, or a fault, says more than what the operator wants."""
    look, sign, word = processor_words(processor)
    return badge(look, sign, word)


def processor_words(processor: Processor) -> tuple[str, str, str]:
    """Colour, sign and word."""
    if processor.is_faulted:
        return "bad", "✕", _("Faulted")
    run = getattr(processor, "current_run", None)
    if run is not None:
        return run_words(run)
    return *PROCESSOR_LOOKS[processor.state], processor.get_state_display()


def run_badge(run: Run) -> SafeString:
    """Its state; what is only called running, or finished, does not look like it."""
    look, sign, word = run_words(run)
    return badge(look, sign, word)


def run_words(run: Run) -> tuple[str, str, str]:
    """Colour, sign and word."""
    if run.state == RunState.FINISHED and run.has_failures:
        return "warn", "!", _("With failures")
    if run.state == RunState.RUNNING and getattr(run, "rests", False):
        return "warn", "❚❚", _("Paused")
    if run.state == RunState.RUNNING and getattr(run, "is_silent", False):
        return "warn", "?", _("Stalled?")
    if run.state == RunState.RUNNING and run.claimed == 0 and getattr(run, "in_hand", 1) == 0:
        return "idle", "…", _("Queued")
    if run.state == RunState.FINISHED:
        return "ok", "✓", _("Succeeded")
    return *RUN_LOOKS[run.state], run.get_state_display()


def run_look(run: Run) -> str:
    """The colour of a run in a strip."""
    return run_words(run)[0]


def record_badge(record: Record) -> SafeString:
    """Its state."""
    look, sign = RECORD_LOOKS[record.state]
    return badge(look, sign, record.get_state_display())
