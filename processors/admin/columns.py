"""How values look on a page. Nothing here asks, decides or writes."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from processors import spread, times, wording
from processors.admin.live import region
from processors.models import Processor, Record, Run
from processors.models.processor import TriggerKind
from processors.states import ProcessorState, RecordState, RunState

BACKLOG_CAP = 100_000  # a backlog is counted no further
NOT_COUNTED, UNKNOWN = -2, -1  # no page had time for it yet; its source cannot say
NONE = "–"  # noqa: RUF001 - the sign for "none"
TOLD_LENGTH = 500  # characters of a message in a title

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


def nothing() -> SafeString:
    """The mark for "there is none"; left out where there is no room for it."""
    return format_html('<span class="none">{}</span>', NONE)


def labelled(label: str, value: object) -> SafeString:
    """A value with its column's name, for where the table becomes a stack of cards."""
    return format_html('<span class="only-narrow">{}: </span>{}', label, value)


def live(key: str, content: object) -> SafeString:
    """A cell that live.js may renew."""
    return region(key, content)


def when(moment: datetime | str | None, now: datetime, none: str = NONE) -> SafeString | str:
    """`3 min ago`, with the exact time for who asks; live.js lets it tick."""
    return time_tag(moment, now, "ago", none)


def due(moment: datetime | str | None, now: datetime, none: str = NONE) -> SafeString | str:
    """`in 3 min`; once that has passed `due now`."""
    return time_tag(moment, now, "due", none)


def time_tag(
    moment: datetime | str | None, now: datetime, tick: str, none: str
) -> SafeString | str:
    """A `<time>`; `tick` says what live.js makes of it as time goes on.

    Whoever chose local times or UTC reads those, which do not tick.
    """
    if not isinstance(moment, datetime):  # a template passes "" for what is not there
        return none
    is_past_due = tick == "due" and moment <= now
    is_relative = times.current().mode == "relative"
    ticks = abs(now - moment) <= wording.RELATIVE and (is_relative or is_past_due)
    words = wording.ago(moment, now) if is_relative else wording.stamp(moment, now)
    return format_html(
        '<time datetime="{}" title="{}"{}>{}</time>',
        moment.isoformat(),
        exactly(moment),
        format_html(' data-tick="{}"', tick) if ticks else "",
        _("due now") if is_past_due else words,
    )


def elapsed(since: datetime, now: datetime) -> SafeString:
    """`3 min 02 s`, going on."""
    return format_html(
        '<time datetime="{}" data-tick="for">{}</time>',
        since.isoformat(),
        wording.duration(max(0, int((now - since).total_seconds()))),
    )


def exactly(moment: datetime | None) -> str:
    """The exact time with its zone."""
    return f"{timezone.localtime(moment):%Y-%m-%d %H:%M:%S %Z}" if moment else NONE


def clock(moment: datetime) -> str:
    """The time of day with its zone, and with the day where it is not today's."""
    local = timezone.localtime(moment)
    is_today = local.date() == timezone.localdate()
    return f"{local:%H:%M} {local.tzname()}" if is_today else date_format(local, "D H:i T")


def next_run(processor: Any, now: datetime) -> SafeString | str:
    """When the next cycle begins; what only waits for records, or for a person, has no time."""
    if processor.is_faulted or not processor.is_started:
        return format_html("{}", NONE)
    if getattr(processor, "rests", False):
        return _("not while everything is paused")
    if processor.trigger_kind == TriggerKind.ARRIVAL:
        return _("on arrival")
    if getattr(processor, "current_run", None) is not None:
        return _("after this run")
    if processor.next_due_at is None:
        return _("on demand")
    return due(processor.next_due_at, now)


def pace(run: Any, why: str) -> SafeString | str:
    """`50/s · about 55 min left`; where nothing moves, or a worker of several is silent, why.

    The rate is that of the last minute: a run that was paused since has one, and stands still.
    """
    stands = run.state == RunState.PAUSED or run.rests or run.is_silent
    if not run.rate or stands or (why and run.hands.overdue):
        return why
    parts = [wording.rate_words(run.rate)]
    if run.seconds_left is not None:
        left = wording.roughly(run.seconds_left)
        parts.append(_("about %(time)s left") % {"time": left})
    return " · ".join(parts)


def capped(count: int, cap: int) -> str:
    """A count that was stopped at its cap."""
    return f"{wording.number(cap)}+" if count >= cap else wording.number(count)


def waiting(backlog: int) -> str:
    """How many records wait."""
    return {NOT_COUNTED: "…", UNKNOWN: "?"}.get(backlog) or capped(backlog, BACKLOG_CAP)


def run_length(run: Run, now: datetime) -> SafeString | str:
    """How long it took, or takes so far."""
    if run.ended_at is None:
        return elapsed(run.started_at, now)
    return wording.duration((run.ended_at - run.started_at).total_seconds())


def length_judged(run: Any, now: datetime) -> SafeString | str:
    """The same, marked where it is more than twice what is usual for its processor."""
    length = run_length(run, now)
    seconds = ((run.ended_at or now) - run.started_at).total_seconds()
    usual = run.usual_seconds
    if not spread.is_slow(seconds, usual):
        return length
    told = _("usually %(time)s") % {"time": wording.duration(usual)}
    return format_html(
        '{} <span class="warn-text" title="{}"><span aria-hidden="true">▲</span>'
        '<span class="visually-hidden">{}</span></span>',
        length, told, told,
    )  # fmt: skip


def run_rate(run: Run, now: datetime) -> str:
    """Records per second over the whole run."""
    seconds = ((run.ended_at or now) - run.started_at).total_seconds()
    return wording.rate(run.handled, seconds) or NONE


def outcome(run: Run) -> SafeString:
    """`1,237 · 3 failed`; of a run that was cut short also how far it came."""
    total, tail = wording.number(run.settled), beside_count(run)
    if run.state == RunState.FINISHED or not run.expected or run.settled >= run.expected:
        return format_html("{}{}", total, tail)
    facts = {
        "share": int(100 * run.settled / run.expected),
        "expected": wording.number(run.expected),
    }
    ended = _("ended at %(share)s %% of %(expected)s") % facts
    return format_html('{}{}<div class="quiet">{}</div>', total, tail, ended)


def beside_count(run: Run) -> SafeString:
    """` · 3 failed · 5 retries`; empty where all went well."""
    failed, retries = run.dead + run.parked, run.retries
    told = _("%(count)s failed") % {"count": wording.number(failed)}
    bad = format_html(' · <span class="bad-text">{}</span>', told) if failed else ""
    if not retries:
        return format_html("{}", bad)
    words = ngettext("%(count)s retry", "%(count)s retries", retries)
    count = {"count": wording.number(retries)}
    return format_html('{} · <span class="quiet">{}</span>', bad, words % count)


def progress(run: Run, *, is_tall: bool = False) -> SafeString:
    """A bar with its numbers; where nobody knows how many come, the numbers alone."""
    tail, failed = beside_count(run), run.dead + run.parked
    facts = {
        "done": wording.number(run.settled),
        "expected": wording.number(run.expected or 0),
    }
    if not run.expected or run.settled > run.expected:
        # More may be handled than was there at the start: what arrived since comes along.
        known = _("%(done)s so far") if not run.expected else _("%(done)s so far, more came in")
        return format_html('<div class="progress-text">{}{}</div>', known % facts, tail)
    share = 100 * run.settled / run.expected
    bad = min(share, max(1.0, 100 * failed / run.expected)) if failed else 0.0
    return format_html(
        '<svg class="bar{}" viewBox="0 0 100 6" preserveAspectRatio="none" role="progressbar"'
        ' aria-valuemin="0" aria-valuemax="100" aria-valuenow="{}" aria-label="{}">'
        '<rect class="rest" width="100" height="6"/><rect class="{}" width="{}" height="6"/>'
        '<rect class="fill-bad" x="{}" width="{}" height="6"/></svg>'
        '<div class="progress-text"><strong>{}&nbsp;%</strong> {}{}</div>',
        " tall" if is_tall else "",
        f"{share:.0f}",
        _("Progress of run %(seq)s") % {"seq": run.seq},
        f"fill-{run_look(run)}",
        f"{share - bad:.2f}",
        f"{share - bad:.2f}",
        f"{bad:.2f}",
        f"{share:.0f}",
        _("%(done)s of %(expected)s") % facts,
        tail,
    )


STEP = 8  # pixels; how high a bar is, by its colour, is the stylesheet's


def strip(runs: list[Run], this: int | None = None) -> SafeString | str:
    """The last runs, the newest at the right; colour and height carry the outcome.

    `this` is the id of the run whose page it is.
    """
    if not runs:
        return nothing()
    looks = [run_words(run) for run in runs]
    bars = format_html_join(
        "",
        '<rect class="fill-{}{}" x="{}"><title>{}</title></rect>',
        (
            (look, " this" if run.pk == this else "", str(at * STEP + 1), f"#{run.seq} {word}")
            for at, (run, (look, _sign, word)) in enumerate(zip(runs, looks, strict=True))
        ),
    )
    troubled = sum(look in ("warn", "bad") for look, _sign, _word in looks)
    label = _("Last %(count)s runs: %(bad)s with failures") % {"count": len(runs), "bad": troubled}
    return format_html(
        '<svg class="strip" width="{0}" height="20" viewBox="0 0 {0} 20"'
        ' preserveAspectRatio="xMaxYMid slice" role="img" aria-label="{1}">{2}</svg>',
        str(len(runs) * STEP),
        label,
        bars,
    )


def as_json(value: Any) -> str:
    """Readable JSON; not yet escaped."""
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False)


def cut(text: str, length: int = 120) -> str:
    """The first line of a text, no longer than `length`."""
    line = text.strip().split("\n", 1)[0]
    return line if len(line) <= length else f"{line[: length - 1]}…"


def error(error_type: str, message: str, only: SafeString | str = "") -> SafeString:
    """What went wrong in one line; more of it where the mouse is. `only`: see `narrowing`."""
    return format_html(
        '<strong class="error">{}</strong>{}<div class="message" title="{}">{}</div>',
        error_type, only, cut(message, TOLD_LENGTH), cut(message) or NONE,
    )  # fmt: skip


def narrowing(row: Any, name: str, value: object, word: object) -> SafeString | str:
    """A small link that shows only the rows of this list that say the same."""
    url = row.narrowed(name, value) if value and hasattr(row, "narrowed") else ""
    if not url:
        return ""
    label = _("Only %(what)s") % {"what": word}
    return format_html(
        '<a class="narrows" href="{}" aria-label="{}" title="{}"><svg viewBox="0 0 12 12"'
        ' aria-hidden="true"><path d="M1 2h10L7 6.5V11L5 9.5v-3z"/></svg></a>',
        url, label, label,
    )  # fmt: skip


def link(url: str, words: object) -> SafeString:
    """A link."""
    return format_html('<a href="{}">{}</a>', url, words)
