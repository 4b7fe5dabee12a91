"""What the doctor says, for who cannot ask it on the command line. Read-only."""

import time
from datetime import datetime

from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from processors.admin import asking
from processors.admin.base import page
from processors.diagnosis import Finding, Level, examine

VIEW = "processors.view_health"
FRESH_SECONDS = 30  # the doctor tries every table: not for each of many tabs


def health(request: HttpRequest) -> HttpResponse:
    """Everything that is wrong, the worst first; `?again` looks anew."""
    if not request.user.has_perm(VIEW):
        raise PermissionDenied
    at, took, findings = examined(request, anew="again" in request.GET)
    order = {Level.ERROR: 0, Level.WARNING: 1}
    context = {
        "findings": sorted(findings, key=lambda one: (order[one.level], one.where)),
        "at": at,
        "took": took,
        "errors": sum(one.level == Level.ERROR for one in findings),
    }
    return page(request, "admin/health.html", _("Health"), **context)


def examined(request: HttpRequest, *, anew: bool) -> tuple[datetime, float, list[Finding]]:
    """When it was last looked, for how many seconds, and what was found."""
    known: tuple[datetime, float, list[Finding]] | None = None if anew else cache.get("health")
    if known is not None:
        return known
    began, at = time.monotonic(), asking.now(request)
    # What mends a finding stays with the command: a page only shows.
    found = [Finding(one.level, one.what, one.where, one.mend) for one in examine()]
    answer = (at, time.monotonic() - began, found)
    cache.set("health", answer, FRESH_SECONDS)
    return answer
