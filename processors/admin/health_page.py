"""What the doctor says, for who cannot ask it on the command line. Read-only."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from processors.admin import asking, live, looks
from processors.admin.base import page
from processors.diagnosis import Finding, Level, examine
from processors.queues import queue_states

VIEW = "processors.view_health"
FRESH = timedelta(seconds=30)  # the doctor tries every table: not for each of many tabs
KEPT_SECONDS = 3_600  # for a page that stays open: it says when it was looked
LIVE_MS = 3_000


@dataclass(frozen=True)
class Examination:
    """What was found, when it was looked, for how many seconds, and whether Redis answered."""

    at: datetime
    took: float
    findings: list[Finding]
    had_redis: bool


def health(request: HttpRequest) -> HttpResponse:
    """Everything that is wrong, the worst first; `?again` looks anew."""
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    seen = examined(request)
    order = {Level.ERROR: 0, Level.WARNING: 1}
    context = {
        "findings": sorted(seen.findings, key=lambda one: (order[one.level], one.where)),
        "at": seen.at,
        "took": seen.took,
        "errors": sum(one.level == Level.ERROR for one in seen.findings),
        "live_ms": LIVE_MS,
    }
    return page(request, "admin/health.html", _("Health"), **context)


def examined(request: HttpRequest) -> Examination:
    """The last look while it holds: until Redis goes or comes back, for a person also by age."""
    known: Examination | None = cache.get("health")
    has_redis = looks.queue(settings.QUEUES[0]).workers is not None
    if known is None or known.had_redis != has_redis:
        return look(request)
    if live.is_poll(request):  # it must not wait for the doctor
        return known
    is_old = asking.now(request) - known.at > FRESH
    return look(request) if is_old or "again" in request.GET else known


def look(request: HttpRequest) -> Examination:
    """Ask the doctor, for all who look in the next while."""
    began, at = time.monotonic(), asking.now(request)
    # What mends a finding stays with the command: a page only shows.
    found = [Finding(one.level, one.what, one.where, one.mend) for one in examine()]
    [queue] = queue_states(settings.QUEUES[:1])
    seen = Examination(at, time.monotonic() - began, found, queue.workers is not None)
    cache.set("health", seen, KEPT_SECONDS)
    return seen
