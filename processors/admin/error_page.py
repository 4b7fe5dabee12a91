"""Failed records by kind of error: one cause or a hundred, and does it go on?"""

import time
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any

from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils.translation import gettext as _

from processors import failures
from processors.admin import asking, frame, live
from processors.admin.background import in_background
from processors.admin.base import page
from processors.admin.export import Column, as_file, cell
from processors.failures import ErrorGroup
from processors.models import Processor, Record
from processors.querysets import RecordQuerySet

LIVE_MS = 10_000
KEPT_SECONDS = 60
TEMPLATE = "admin/processors/record/errors.html"


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    group: ErrorGroup
    processor: Processor

    @property
    def message(self) -> str:
        """What all of them say; empty where nothing is left of it without names and numbers."""
        told = self.group.message
        return told if any(map(str.isalnum, told)) else ""

    @property
    def name(self) -> str:
        """What a poll calls it."""
        return f"{self.group.processor_id}.{self.group.fingerprint or 'none'}"


def by_error(admin: Any, request: HttpRequest) -> HttpResponse:
    """The page, and its polls."""
    if not admin.has_view_permission(request):
        raise PermissionDenied
    rows = Record.objects.visible_to(request.user)
    now = asking.now(request)
    pulse = failures.pulse(rows)
    state = live.state_of(pulse, minute_of(now), frame.said(request), request.user.pk)
    if live.is_known(request, state):
        return live.unchanged(state, LIVE_MS)
    found = shown(rows, pulse, now)
    context = {
        "rows": found,
        "total": sum(row.group.count for row in found),
        "newest": failures.NEWEST,
        "may_act": admin.has_manage_permission(request),
        "acts": in_background(request),
        "since": int(time.time()),
        "live_ms": LIVE_MS,
        "live_state": state,
    }
    if live.is_poll(request):
        context |= changes(found, request)
    return page(request, TEMPLATE, admin.list_title, **context)


def as_csv(admin: Any, request: HttpRequest) -> HttpResponse:
    """The same rows, as a file."""
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    if not admin.has_view_permission(request):
        raise PermissionDenied
    rows = Record.objects.visible_to(request.user)
    found = shown(rows, failures.pulse(rows), asking.now(request))
    columns = file_columns()
    heads = [str(head) for head, _read in columns]
    lines = ([cell(read(row)) for _head, read in columns] for row in found)
    return as_file(chain([heads], lines), "errors.csv")


def file_columns() -> list[Column]:
    """What the file says of a kind of error."""
    return [
        (_("Processor"), lambda row: row.processor.name),
        (_("Error"), lambda row: row.group.error_type),
        (_("Message"), lambda row: row.group.message),
        (_("Records"), lambda row: row.group.count),
        (_("Last hour"), lambda row: row.group.hour),
        (_("24 h"), lambda row: row.group.day),
        (_("7 days"), lambda row: row.group.week),
        (_("First"), lambda row: row.group.first_at),
        (_("Last"), lambda row: row.group.last_at),
        (_("For example"), lambda row: row.group.sample_key),
        (_("Its message"), lambda row: row.group.sample_error),
    ]


def minute_of(now: datetime) -> datetime:
    """The hour and the day that are counted move on with the time."""
    return now.replace(second=0, microsecond=0)


def shown(rows: RecordQuerySet, pulse: object, now: datetime) -> list[Row]:
    """The kinds of error; read once for all who look, until a record fails or is treated."""
    key = f"errors:{live.state_of(pulse, minute_of(now), str(rows.query))}"
    found: list[ErrorGroup] | None = cache.get(key)
    if found is None:
        found = failures.groups(rows, now)
        cache.set(key, found, KEPT_SECONDS)
    owners = Processor.objects.in_bulk({group.processor_id for group in found})
    return [Row(group, owners[group.processor_id]) for group in found]


def changes(found: list[Row], request: HttpRequest) -> dict[str, Any]:
    """For a poll: the rows in sight, which of these are no more, and how many are new."""
    asked, since = live.asked(request, "group"), live.newest_shown(request)
    names = {row.name for row in found}
    is_new = (
        since is not None and row.group.first_at.timestamp() > since and row.name not in asked
        for row in found
    )
    return {
        "rows": [row for row in found if row.name in asked],
        "gone": live.gone([f"group-{name}" for name in asked if name not in names]),
        "news": live.news(sum(is_new), len(found) + 1),
    }
