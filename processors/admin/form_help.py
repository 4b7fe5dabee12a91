"""What stands beside the fields of a processor's form: handlers, rows, and what a cron says."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db import DatabaseError, transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from processors import held_back
from processors.admin import slots
from processors.clock import database_now
from processors.forms import ProcessorForm
from processors.handlers import Handler, registry
from processors.handlers.options import default_of, options_form
from processors.models import Processor, Run
from processors.sources.connecting import Unreachable
from processors.sources.inspection import InvalidSource, Preview
from processors.sources.inspection import preview as preview_source
from processors.wording import moment


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
    blackouts = str(form["blackouts"].value() or "")
    return slots.preview(cron, zone, database_now(), blackouts) if cron else None


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
