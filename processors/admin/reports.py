"""A failure as text, to paste into a ticket: what, where, when and the link; never the payload."""

from typing import TYPE_CHECKING

from django.http import HttpRequest
from django.utils.translation import gettext as _

from processors.admin import columns
from processors.definitions import options_changed
from processors.models import Record, Run

if TYPE_CHECKING:
    from processors.admin.tried import Told


def of_record(record: Record, newest: "Told | None", request: HttpRequest) -> str:
    """A failed record; empty where nothing failed."""
    if not record.last_error and not record.error_type:
        return ""
    lines = [
        (_("Record"), record.key),
        (_("Processor"), record.processor.name),
        (_("State"), _(record.get_state_display())),
        (_("Error"), f"{record.error_type}: {record.last_error}".strip(": ")),
        *([] if newest is None else of_attempt(newest)),
        (_("Link"), request.build_absolute_uri(request.path)),
    ]
    return as_text(lines)


def of_attempt(told: "Told") -> list[tuple[str, str]]:
    """When, by whom and where in the handler's own code."""
    attempt, own = told.attempt, told.own_frame
    lines = [
        (_("Attempt"), f"{told.rank}, {columns.exactly(attempt.at)}"),
        (_("Run"), f"#{attempt.run.seq}"),
        (_("Worker"), attempt.owner),
    ]
    if own is not None:
        lines.append((_("Where"), f"{own.place} {own.name}: {own.source}".strip(": ")))
    return lines


def of_run(run: Run, request: HttpRequest) -> str:
    """A run that failed, or in which records did; empty for any other."""
    if not (run.fault_reason or run.has_failures):
        return ""
    counts = ", ".join(f"{getattr(run, name)} {name}" for name in ("claimed", "done", "dead"))
    lines = [
        (_("Run"), f"{run.processor.name} #{run.seq}"),
        (_("State"), _(run.get_state_display())),
        (_("Reason"), run.fault_reason),
        (_("Records"), counts),
        (_("Other options"), options_changed(run.config)),
        (_("Started"), columns.exactly(run.started_at)),
        (_("Ended"), columns.exactly(run.ended_at)),
        (_("Link"), request.build_absolute_uri(request.path)),
    ]
    return as_text(lines)


def as_text(lines: list[tuple[str, str]]) -> str:
    """`Name: value`, without what is empty."""
    return "\n".join(f"{name}: {value}" for name, value in lines if value)
