"""The first page: what runs, what needs a person, what comes next."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import BooleanField, Exists, ExpressionWrapper, OuterRef, Q
from django.http import HttpRequest

from processors import failures
from processors.admin import asking, columns, frame, history, live, looks, throughput, upcoming
from processors.admin.buttons import buttons
from processors.models import Processor, Record, Run
from processors.querysets import ProcessorQuerySet, RunQuerySet
from processors.states import RunState
from processors.wording import moment

SHOWN = 15  # processors
ACTIVE = 50  # runs that are counted
RUNNING = 12  # runs that are shown
STARTS = 8
GROUPS = 6
LIVE_MS = 3_000


def may_see(request: HttpRequest) -> bool:
    """Whether the person is shown more than the list of sections."""
    return request.user.has_perm("processors.view_processor")


def facts(request: HttpRequest) -> dict[str, Any]:
    """Everything on the page; a fixed number of queries. Polls go without what stays."""
    now = asking.now(request)
    found = live_facts(request, now)
    if not live.is_poll(request):
        found |= still_facts(request, now)
    return found


def live_facts(request: HttpRequest, now: datetime) -> dict[str, Any]:
    """Numbers, runs, queues, processors."""
    user = request.user
    active = active_runs(Run.objects.visible_to(user), request)
    rows = first_processors(Processor.objects.visible_to(user), live.asked(request, "processor"))
    current = {run.processor_id: run for run in active}
    newest = looks.last_runs(rows)
    told = active if len(active) < ACTIVE else None  # beyond that, there may be more
    looks.with_rests(rows, request)
    reasons = looks.whys({*rows, *(run.processor for run in active)}, told, request)
    for row in rows:
        row.current_run = current.get(row.pk)
        reasons[row.pk] = looks.telling(row, reasons[row.pk], now)
    waiting = upcoming.scheduled(user, STARTS)
    faulted = Processor.objects.visible_to(user).exclude(fault_reason="").order_by("name")
    return {
        "now": now,
        "active": [
            (run, buttons(run.processor, run, request), reasons[run.processor_id])
            for run in active[:RUNNING]
        ],
        "running": columns.capped(len(active), ACTIVE),
        "which": [run.pk for run in active],
        "queued": sum(
            run.state == RunState.RUNNING and not run.claimed and not run.rests for run in active
        ),
        "paused": paused(Processor.objects.visible_to(user), active),
        "faulted": list(faulted[:ACTIVE]),
        "rests": asking.pause_of_all(request) is not None,
        "failed": frame.failed_words(request),
        "day": history.of(None, "24h", now, Processor.objects.hidden_from(user)),
        "next": upcoming.first_of(waiting),
        **starts_card(waiting, request, now),
        "rows": [
            (
                row,
                newest.get(row.pk, []),
                buttons(row, row.current_run, request)[:2],
                reasons[row.pk],
            )
            for row in rows[:SHOWN]
        ],
        "more": len(rows) > SHOWN,
        **workers_and_queues(),
    }


def paused(visible: ProcessorQuerySet, active: list[Any]) -> int:
    """How many processors are, with a run that waits or without one."""
    resting = {run.processor_id for run in active if run.rests}
    return len(resting.union(visible.paused().values_list("pk", flat=True)))


def starts_card(waiting: list[Processor], request: HttpRequest, now: datetime) -> dict[str, Any]:
    """What starts next, as far as it is not on the page that polls."""
    says = str([(one.pk, one.version, one.next_due_at) for one in waiting])
    says += str(asking.pause_of_all(request))
    if not live.is_due(request, "starts", says, class_="card"):
        return {}
    return {"starts_say": says, "starts": upcoming.starts(waiting, now)[:STARTS]}


def workers_and_queues() -> dict[str, Any]:
    """Who works, and what waits; a Redis that does not answer is asked once."""
    queues = looks.listening(settings.QUEUES)
    return {"queues": queues, "crew": None if queues[-1].workers is None else looks.crew()}


def still_facts(request: HttpRequest, now: datetime) -> dict[str, Any]:
    """Charts and errors, as of now."""
    span = history.span_of(request)
    visible = Processor.objects.visible_to(request.user)
    hidden = Processor.objects.hidden_from(request.user)
    groups = failures.groups(Record.objects.exclude(processor__in=hidden), now, most=GROUPS)
    names = dict(visible.values_list("pk", "name"))
    return {
        "history": history.of(None, span, now, hidden),
        "ranges": history.links(span),
        "errors": [(group, names.get(group.processor_id, "")) for group in groups],
        "sample": failures.NEWEST,
        "as_of": moment(now, now),
    }


def active_runs(visible: RunQuerySet, request: HttpRequest) -> list[Any]:
    """The oldest ACTIVE runs that have not ended, with all that is shown of them."""
    rows = visible.active().select_related("processor").order_by("started_at")
    active = list(rows[:ACTIVE])
    looks.with_counters(active, request)
    throughput.with_rates(active, asking.now(request))
    return active


def first_processors(visible: ProcessorQuerySet, asked: list[str]) -> list[Any]:
    """What is at work, faulted, or ended badly, then by name; for a poll those in sight."""
    if asked:
        return list(
            visible.filter(pk__in=[name for name in asked if name.isdecimal() and len(name) < 19])
        )
    own = Run.objects.filter(processor=OuterRef("pk"))
    newest = own.filter(seq=OuterRef("last_seq"))
    rows = visible.annotate(
        is_active=Exists(own.active()),
        faulted=ExpressionWrapper(~Q(fault_reason=""), output_field=BooleanField()),
        is_troubled=Exists(newest.troubled()),
    )
    return list(rows.order_by("-is_active", "-faulted", "-is_troubled", "name")[: SHOWN + 1])
