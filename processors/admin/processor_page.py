"""What the page of a processor and its form show beside the fields."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db import DatabaseError, transaction
from django.http import HttpRequest
from django.utils import timezone

from processors import control, schedules
from processors.admin import looks
from processors.admin.base import LIVE_MS
from processors.admin.buttons import buttons
from processors.clock import database_now
from processors.explain import why
from processors.forms import ProcessorForm
from processors.handlers import Handler, registry
from processors.handlers.options import options_form
from processors.models import Event, Processor, Record, Run
from processors.models.processor import TriggerKind
from processors.sources.connecting import Unreachable
from processors.sources.inspection import InvalidSource, Preview
from processors.sources.inspection import preview as preview_source

RUNS = 10
EVENTS = 20
PREVIEWED_RUNS = 5


def facts(processor: Processor, request: HttpRequest) -> dict[str, Any]:
    """Head, facts and history of one processor."""
    now = database_now()
    run = looks.active_runs([processor], now).get(processor.pk)
    processor.current_run = run  # type: ignore[attr-defined]
    runs = list(Run.objects.filter(processor=processor).order_by("-seq").defer("config")[:RUNS])
    looks.with_counters(runs, now)
    for each in runs:
        each.processor = processor
    events = Event.objects.filter(processor=processor, subject="processor").order_by("-id")
    return {
        "processor": processor,
        "now": now,
        "why": why(processor, now),
        "run": run,
        "runs": runs,
        "newest_runs": looks.last_runs([processor], 40).get(processor.pk, []),
        "waiting": looks.backlog(processor),
        "buttons": buttons(processor, run, request),
        "may_force": run is not None and request.user.has_perm(control.FORCE_STOP),
        "errors": looks.error_groups(Record.objects.filter(processor=processor)),
        "events": events[:EVENTS],
        "handler": registry.find(processor.handler),
        "queue": looks.listening([processor.queue])[0],
        "sample": looks.SAMPLE,
        "live_ms": LIVE_MS,
    }


def form_page(
    form: ProcessorForm, processor: Processor | None, preview: "Look | None"
) -> dict[str, Any]:
    """Beside the form: what the schedule means and what the source would give."""
    return {
        "handlers": handler_docs(),
        "preview": preview,
        "schedule": schedule_words(form, processor),
        "is_active": bool(processor and Run.objects.active_of(processor.pk)),
    }


class Look:
    """A source looked at: rows and SQL, or why there are none."""

    def __init__(
        self, found: Preview | None = None, problem: str = "", *, is_hidden: bool = False
    ) -> None:
        self.found = found
        self.problem = problem
        self.is_hidden = is_hidden


def looked_at(source: Mapping[str, Any], request: HttpRequest) -> Look | None:
    """What a table would give; None for an inbox, whose records are on the records' page.

    Rows are payloads: without the right to see those, the table is counted and not shown.
    """
    if source.get("kind") != "table":
        return None
    may_see = request.user.has_perm("processors.view_payload")
    try:
        with transaction.atomic():
            found = preview_source(source)
            return Look(found if may_see else replace(found, rows=[]), is_hidden=not may_see)
    except (InvalidSource, Unreachable) as error:
        return Look(problem=str(error))
    except DatabaseError as error:
        return Look(problem=f"The database could not answer ({type(error).__name__}).")


def schedule_words(form: ProcessorForm, processor: Processor | None) -> dict[str, Any] | None:
    """A cron expression in words and its next times; None where there is no valid one."""
    columns = form.columns or (vars(processor) if processor else {})
    if columns.get("trigger_kind") != TriggerKind.CRON:
        return None
    cron, zone = columns["cron"], columns["time_zone"]
    try:
        times = schedules.next_slots(cron, zone, timezone.now(), PREVIEWED_RUNS)
        words = schedules.describe(cron)
    except schedules.InvalidSchedule:
        return None
    with timezone.override(zone):
        shown = [f"{timezone.localtime(time):%a %d %b %Y, %H:%M %Z}" for time in times]
    return {"words": words, "zone": zone, "times": shown}


def handler_docs() -> list[dict[str, Any]]:
    """Every handler with its docstring and options."""
    return [{"handler": one, "options": option_lines(one)} for one in registry.all()]


def option_lines(handler: Handler) -> list[tuple[str, str, str]]:
    """Name, default and help of each option."""
    form_class = options_form(handler.options)
    fields = form_class.base_fields.items() if form_class else ()
    return [
        (name, "" if field.initial is None else str(field.initial), str(field.help_text))
        for name, field in fields
    ]
