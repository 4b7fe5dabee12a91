"""What our templates need beyond Django's own tags; formatting is in `admin.columns`."""

from typing import Any

from django import template
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from processors import wording
from processors.admin import columns, overview
from processors.admin.base import LIVE_MS
from processors.models import Processor, Record, Run

register = template.Library()

register.filter("duration", wording.duration)
register.filter("number", wording.number)
register.filter("exactly", columns.exactly)
register.filter("capped", columns.capped)
register.filter("cut", columns.cut)
register.filter("progress", columns.progress)
register.filter("outcome", columns.outcome)
register.filter("strip", columns.strip)


@register.filter
def badge(thing: Any) -> SafeString:
    """The state of a processor, a run or a record."""
    looks: dict[type, Any] = {
        Processor: columns.processor_badge,
        Run: columns.run_badge,
        Record: columns.record_badge,
    }
    shown: SafeString = looks[type(thing)](thing)
    return shown


@register.filter
def ago(moment: Any) -> SafeString | str:
    """`3 min ago`."""
    return columns.when(moment, timezone.now())


@register.filter
def length_of(run: Run) -> str:
    """How long a run takes."""
    return columns.run_length(run, timezone.now())


@register.filter
def rate_of(run: Run) -> str:
    """Records per second of a run."""
    return columns.run_rate(run, timezone.now())


@register.simple_tag(takes_context=True)
def overview_facts(context: Any) -> dict[str, Any]:
    """What the first page shows."""
    return overview.facts(context["request"])


@register.simple_tag(takes_context=True)
def page_live(context: Any) -> str:
    """Milliseconds between two looks of a live page; empty for one that stays as it is."""
    request = context.get("request")
    if request is not None and request.path == reverse("admin:index"):
        return str(LIVE_MS)
    return str(context.get("live_ms") or "")


@register.simple_tag(takes_context=True)
def sections(context: Any) -> list[dict[str, Any]]:
    """The header's links that this person may follow, the current one marked."""
    request = context["request"]
    listed = [("", reverse("admin:index"), _("Overview"))] + [
        (right, reverse(f"admin:processors_{model}_changelist"), word)
        for right, model, word in (
            ("processors.view_processor", "processor", _("Processors")),
            ("processors.view_run", "run", _("Runs")),
            ("processors.view_record", "record", _("Failed records")),
            ("processors.view_event", "event", _("Events")),
        )
    ]
    return [
        {"url": url, "word": word, "here": is_here(request.path, url)}
        for right, url, word in listed
        if not right or request.user.has_perm(right)
    ]


def is_here(path: str, url: str) -> bool:
    """Whether a page belongs to a section; the overview is one page only."""
    return path == url if url == reverse("admin:index") else path.startswith(url)
