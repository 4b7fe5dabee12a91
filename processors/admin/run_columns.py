"""How a run looks in a list and on its page: when, how long, how fast, how far, and how it went."""

from datetime import datetime
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from processors import spread, wording
from processors.admin.badges import run_look, run_words
from processors.admin.columns import NONE, due, elapsed, nothing
from processors.models import Run
from processors.models.processor import TriggerKind
from processors.protocol.cycles import MACHINE
from processors.protocol.set_times import begins_at
from processors.states import RunState

STEP = 8  # pixels of a bar in a strip; how high it is, by its colour, is the stylesheet's


def next_run(processor: Any, now: datetime) -> SafeString | str:
    """When the next cycle begins; what only waits for records, or for a person, has no time."""
    if processor.is_faulted or not processor.is_started:
        return format_html("{}", NONE)
    if getattr(processor, "rests", False):
        return _("not while everything is paused")
    if processor.trigger_kind == TriggerKind.ARRIVAL:
        start = getattr(processor, "next_start", None)
        return due(start, now) if start else _("on arrival")
    if getattr(processor, "current_run", None) is not None:
        return _("after this run")
    if processor.next_due_at is None:
        return _("on demand")
    return due(begins_at(processor, processor.next_due_at), now, _("never: blackouts cover it"))


def person(run: Run) -> SafeString | str:
    """Who began it, cut to a line; of what the machine began by itself the trigger tells all."""
    if run.actor in ("", MACHINE.name):
        return ""
    return format_html('<span class="quiet who" title="{0}">{0}</span>', run.actor)


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


def length(run: Run, now: datetime) -> SafeString | str:
    """How long it took, or takes so far."""
    if run.ended_at is None:
        return elapsed(run.started_at, now)
    return wording.duration((run.ended_at - run.started_at).total_seconds())


def length_judged(run: Any, now: datetime) -> SafeString | str:
    """The same, marked where it is more than twice what is usual for its processor."""
    shown = length(run, now)
    seconds = ((run.ended_at or now) - run.started_at).total_seconds()
    usual = run.usual_seconds
    if not spread.is_slow(seconds, usual):
        return shown
    told = _("usually %(time)s") % {"time": wording.duration(usual)}
    return format_html(
        '{} <span class="warn-text" title="{}"><span aria-hidden="true">▲</span>'
        '<span class="visually-hidden">{}</span></span>',
        shown, told, told,
    )  # fmt: skip


def rate(run: Run, now: datetime) -> str:
    """Records per second over the whole run: of those that came to their end."""
    seconds = ((run.ended_at or now) - run.started_at).total_seconds()
    return wording.rate(run.settled, seconds) or NONE


def outcome(run: Run, unit: str = "") -> SafeString:
    """`1,237 · 3 failed`, with a unit `1,237 records · 3 failed`.

    Of a run that was cut short also how far it came.
    """
    counted = format_html(' <span class="quiet">{}</span>', unit) if unit else ""
    total = format_html("{}{}", wording.number(run.settled), counted)
    tail = beside_count(run)
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
