"""What the page of a processor and its form show beside the fields."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db import DatabaseError, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from processors import control, held_back
from processors.admin import (
    asking,
    columns,
    figures,
    history,
    live,
    looks,
    run_columns,
    slots,
    throughput,
)
from processors.admin.asking import once
from processors.admin.badges import run_look, run_words
from processors.admin.buttons import buttons
from processors.admin.chart_table import with_numbers
from processors.admin.charts import Bar, bars, middle, round_time
from processors.admin.upcoming import trigger_words
from processors.clock import database_now
from processors.force_stop import FORCE_STOP
from processors.forms import ProcessorForm
from processors.handlers import Handler, registry
from processors.handlers.options import default_of, options_form
from processors.models import Attempt, Processor, Record, Run
from processors.protocol.reaping import lease_gap
from processors.sources.connecting import Unreachable
from processors.sources.inspection import InvalidSource, Preview
from processors.sources.inspection import preview as preview_source
from processors.sources.modes import in_words
from processors.states import ProcessorState, RunState
from processors.wording import duration, moment

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
        "may_run": run is None and request.user.has_perm(control.OPERATE),
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
        run.state == RunState.RUNNING and not (run.in_hand or run.rate)
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


def form_page(
    form: ProcessorForm, processor: Processor | None, preview: "Look | None"
) -> dict[str, Any]:
    """Beside the form: what the schedule means and what the source would give."""
    return {
        "handlers": handler_docs(),
        "preview": preview,
        "schedule": schedule_of(form, processor),
        "is_active": bool(processor and Run.objects.active_of(processor.pk)),
    }


class Look:
    """A source looked at: rows and SQL, or why there are none; no poll renews it."""

    def __init__(
        self,
        found: Preview | None = None,
        problem: str = "",
        *,
        held: str = "",
        is_hidden: bool = False,
    ) -> None:
        self.found = found
        self.problem = problem
        self.held = held
        self.is_hidden = is_hidden
        now = timezone.now()
        self.as_of = moment(now, now)


def looked_at(
    source: Mapping[str, Any], request: HttpRequest, processor: Processor | None = None
) -> Look | None:
    """What a table would give; None for an inbox, whose records are on the records' page.

    Rows are payloads: without the right to see those, the table is counted and not shown. Of a
    `processor` that exists it says what its limits hold back.
    """
    if source.get("kind") != "table":
        return None
    may_see = request.user.has_perm("processors.view_payload")
    held = held_back.rows_held(processor) if processor else ""
    try:
        with transaction.atomic():
            found = preview_source(source, is_held=bool(held))
            shown = found if may_see else replace(found, rows=[])
            return Look(shown, held=held, is_hidden=not may_see)
    except (InvalidSource, Unreachable) as error:
        return Look(problem=str(error))
    except DatabaseError as error:
        return Look(
            problem=_("The database could not answer (%(name)s).") % {"name": type(error).__name__}
        )


def schedule_of(form: ProcessorForm, processor: Processor | None) -> slots.Schedule | None:
    """What the form's cron line means; None where nothing is typed there."""
    cron = str(form["cron"].value() or "")
    zone = str(form["time_zone"].value() or "UTC")
    return slots.preview(cron, zone, database_now()) if cron else None


def handler_docs() -> list[dict[str, Any]]:
    """Every handler with its docstring and options."""
    return [{"handler": one, "options": option_lines(one)} for one in registry.all()]


def option_lines(handler: Handler) -> list[tuple[str, str, str]]:
    """Name, default and help of each option."""
    form_class = options_form(handler.options)
    fields = form_class.base_fields.items() if form_class else ()
    return [
        (name, "" if default_of(field) is None else str(default_of(field)), str(field.help_text))
        for name, field in fields
    ]
