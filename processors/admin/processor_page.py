"""What the page of a processor shows and renews; its form has a module of its own."""

from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from processors.admin import (
    asking,
    columns,
    figures,
    history,
    live,
    looks,
    run_columns,
    throughput,
)
from processors.admin.asking import once
from processors.admin.badges import run_look, run_words
from processors.admin.buttons import buttons, to_run_once
from processors.admin.chart_table import with_numbers
from processors.admin.charts import Bar, bars, middle, round_time
from processors.admin.upcoming import trigger_words
from processors.force_stop import FORCE_STOP
from processors.handlers import registry
from processors.models import Attempt, Processor, Record, Run
from processors.protocol.reaping import lease_gap
from processors.protocol.set_times import next_start
from processors.sources.modes import in_words
from processors.spread import ENOUGH
from processors.states import ProcessorState, RunState
from processors.wording import duration

RUNS = 10
STRIP = 40
LIVE_MS = 2_000


def facts(processor: Any, request: HttpRequest) -> dict[str, Any]:
    """Head, facts and recent runs of one processor: what the page renews."""
    now = asking.now(request)
    run = looks.active_runs([processor], request).get(processor.pk)
    processor.current_run = run
    throughput.with_rates([run] if run else [], now)
    looks.with_rests([processor], request)
    waiting = looks.backlogs([processor], now)[processor.pk]
    is_idle = run is None and processor.is_started
    processor.next_start = next_start(processor, waiting) if is_idle else None
    why = looks.whys([processor], [run] if run else [], request)[processor.pk]
    if run is None:  # of one that goes on, the batches in hand are told nowhere else
        why = looks.telling(processor, why, now)
    cards = [runs_card, facts_card]
    # Where run follows run within seconds, both are new with each poll: they take turns.
    if now.timestamp() * 1000 // LIVE_MS % 2:
        cards.reverse()
    drawn = [card(processor, run, request) for card in cards]
    return {
        **drawn[0],
        **drawn[1],
        "processor": processor,
        "now": now,
        "why": why,
        "run_of_fault": run_of_fault(processor, request),
        "why_look": why_look(processor, run) if why else "nothing",
        "run": run,
        "waiting": waiting,
        "buttons": buttons(processor, run, request),
        "may_run": bool(to_run_once(processor, run, request)),
        "may_force": run is not None and request.user.has_perm(FORCE_STOP),
        "live_ms": LIVE_MS,
    }


def facts_card(processor: Any, run: Any, request: HttpRequest) -> dict[str, Any]:
    """What moves seldom; the run in hand and how many wait are renewed by themselves."""
    now = asking.now(request)
    month, queue = history.of(processor, "30d", now), looks.queue(processor.queue)
    shown = {
        "next_run": run_columns.next_run(processor, now),
        "runs_in_month": month.runs,
        "success_rate": month.success_rate,
        "untold": untold(processor, now),
        "workers": queue.workers,
    }
    says = f"{processor.version} {state_of_runs(processor, run)} {shown}"
    if not live.is_due(request, "facts", says, class_="card", aria_label=_("Facts")):
        return {}
    return shown | {
        "facts_due": True,
        "facts_say": says,
        "newest_runs": newest_runs(processor, request),
        "usual": usual_of(processor, run, request),
        "enough": ENOUGH,
        "trigger_words": trigger_words(processor),
        "how_taken": in_words(processor.source),
    }


def runs_card(processor: Any, run: Any, request: HttpRequest) -> dict[str, Any]:
    """The table of recent runs; the row of an active one is renewed by itself."""
    says = state_of_runs(processor, run)
    usual = usual_of(processor, run, request)
    if run is not None:
        as_row(run, processor, usual)
    if not live.is_due(request, "runs", says, class_="card"):
        return {}
    runs = [
        run if run is not None and one.pk == run.pk else as_row(one, processor, usual)
        for one in newest_runs(processor, request)[::-1][:RUNS]
    ]
    return {"runs_due": True, "runs": runs, "runs_say": says}


def state_of_runs(processor: Processor, run: Any) -> str:
    """Which runs are the newest, and what each came to: known without reading them."""
    return live.state_of(processor.last_seq, run and (run.pk, run_look(run)))


def as_row(run: Any, processor: Processor, usual: float | None) -> Any:
    """A run with what its row in the table needs."""
    run.processor, run.usual_seconds, run.row_key = processor, usual, f"run-{run.pk}"
    return run


def usual_of(processor: Processor, run: Any, request: HttpRequest) -> float | None:
    """The median length of the newest runs, which are not read again while they are the same."""
    key = f"usual:{processor.pk}:{state_of_runs(processor, run)}"
    known: list[float | None] | None = cache.get(key)
    if known is None:
        known = [looks.usual_of(newest_runs(processor, request))]
        cache.set(key, known, looks.REMEMBERED_SECONDS)
    return known[0]


def run_of_fault(processor: Processor, request: HttpRequest) -> Run | None:
    """The run whose failed attempts led to the fault, where there are some that may be seen."""
    if not processor.is_faulted or not request.user.has_perm("processors.view_attempt"):
        return None
    newest = reversed(newest_runs(processor, request))
    run = next((run for run in newest if run.fault_reason == processor.fault_reason), None)
    if run is None:
        return None
    tried = Attempt.objects.filter(run=run).exclude(outcome__in=["done", "skipped"])
    return run if tried.exists() else None


def newest_runs(processor: Processor, request: HttpRequest) -> list[Run]:
    """Of one processor, the oldest of them first; asked once for a page."""

    def ask() -> list[Run]:
        return looks.last_runs([processor], STRIP).get(processor.pk, [])

    return once(request, "newest_runs", ask)


def untold(processor: Processor, now: datetime) -> int:
    """How many outcomes a table elsewhere was not told of, although a tick would have told them.

    Every run leaves some for a moment, which is no trouble; an inbox has none.
    """
    if processor.source_kind == "inbox":
        return 0
    left = Record.objects.filter(processor=processor, settled_at__lt=now - lease_gap()).untold()
    return int(left.count_to(looks.SAMPLE))


def why_look(processor: Processor, run: Any) -> str:
    """The colour of the sentence that says why."""
    if processor.is_faulted:
        return "callout bad"
    if run is None:
        return "callout warn" if processor.state == ProcessorState.PAUSED else "callout calm"
    is_stuck = run.hands.overdue or (
        run.state == RunState.RUNNING and not (run.in_hand or run.is_moving)
    )
    rests = run.state in (RunState.PAUSING, RunState.PAUSED)
    return "callout warn" if is_stuck or rests else "callout calm"


def still_facts(processor: Processor, request: HttpRequest) -> dict[str, Any]:
    """What the page shows and never renews."""
    now = asking.now(request)
    newest = newest_runs(processor, request)
    ended = [run for run in newest if run.has_ended]
    return {
        "history": history.of(processor, "30d", now),
        "durations": durations_chart(ended),
        "handler": registry.find(processor.handler),
        "figures": figures.beside_others(ended[-1]) if ended else [],
        "figures_of": ended[-1] if ended else None,
    }


def durations_chart(runs: list[Run]) -> SafeString | str:
    """A bar for each run, as long as it took, with the median across."""
    if not runs:
        return ""
    lengths = [looks.seconds_of(run) for run in runs]
    usual = middle(lengths)
    shown = duration(usual or 0)
    summary = _("The last %(count)s runs; half of them took no longer than %(usual)s.") % {
        "count": len(runs), "usual": shown,
    }  # fmt: skip
    drawn = [
        Bar([(run_look(run), length)], f"#{run.seq}: {duration(length)}", f"#{run.seq}")
        for run, length in zip(runs, lengths, strict=True)
    ]
    rows = [
        [columns.link(run.get_absolute_url(), f"#{run.seq}"), duration(length), run_words(run)[2]]
        for run, length in zip(runs, lengths, strict=True)
    ]
    return with_numbers(
        bars(drawn, summary, duration, top=round_time(max(lengths)), line=usual),
        _("Durations in numbers"),
        [_("Run"), _("Duration"), _("State")],
        rows,
    )
