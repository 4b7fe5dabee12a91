"""The first page: what runs, what needs a person, what comes next."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from processors.admin import looks
from processors.admin.buttons import buttons
from processors.clock import database_now
from processors.models import Processor, Record, Run
from processors.models.processor import TriggerKind
from processors.states import RunState

FAILED_CAP = 10_000
SHOWN = 15
LIVE_MS = 3_000


def may_see(request: HttpRequest) -> bool:
    """Whether the person is shown more than the list of sections."""
    return request.user.has_perm("processors.view_processor")


def facts(request: HttpRequest) -> dict[str, Any]:
    """Everything on the page; a fixed number of queries."""
    now = database_now()
    active = list(Run.objects.active().select_related("processor").order_by("started_at")[:50])
    looks.with_counters(active)
    processors = list(Processor.objects.order_by("name")[: SHOWN + 1])
    newest = looks.last_runs(processors)
    current = {run.processor_id: run for run in active}
    return {
        "now": now,
        "active": [(run, buttons(run.processor, run, request)) for run in active],
        "paused": sum(run.state == RunState.PAUSED for run in active),
        "failed": failed_records(),
        "failed_cap": FAILED_CAP,
        "day": runs_since(now - timedelta(days=1)),
        "next": next_due(),
        "rows": [
            (one, newest.get(one.pk, []), buttons(one, current.get(one.pk), request)[:2])
            for one in processors[:SHOWN]
        ],
        "more": len(processors) > SHOWN,
        "queues": looks.listening(settings.QUEUES),
    }


def failed_records() -> int:
    """How many records need a person, counted up to FAILED_CAP."""
    return Record.objects.needing_attention().order_by()[:FAILED_CAP].count()


def runs_since(start: Any) -> dict[str, int]:
    """How many runs began, and how many of them had failures; counted up to a cap."""
    rows = Run.objects.filter(started_at__gte=start).order_by("-started_at")[:FAILED_CAP]
    troubled = [dead + parked > 0 for dead, parked in rows.values_list("dead", "parked")]
    return {"runs": len(troubled), "with_failures": sum(troubled)}


def next_due() -> Processor | None:
    """The processor whose cycle begins next at a set time; those on arrival have none."""
    waiting = Processor.objects.filter(state="started", next_due_at__isnull=False, fault_reason="")
    timed = waiting.exclude(trigger_kind=TriggerKind.ARRIVAL)
    found: Processor | None = timed.order_by("next_due_at").first()
    return found
