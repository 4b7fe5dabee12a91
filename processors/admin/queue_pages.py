"""Queues and workers: what Redis knows of them, beside what the database knows."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from processors import queue_acts
from processors.admin import asking
from processors.admin.base import VIEW_LOG, page
from processors.diagnosis.work import SILENT_SECONDS
from processors.models import Batch, Installation, Run
from processors.queues import census
from processors.queues.commands import NoAnswer, answering
from processors.queues.job_facts import REGISTRIES, WAITING, jobs_of
from processors.queues.worker_facts import WorkerFacts

LIVE_MS = 5_000
JOBS = 50
ACTS = 10
OPEN_BATCHES = 500
SILENT = timedelta(seconds=SILENT_SECONDS)
LOOKS = {
    "lost": ("bad", "✕"), "silent": ("bad", "?"), "leaving": ("warn", "■"),
    "busy": ("run", "▶"), "suspended": ("warn", "❚❚"), "idle": ("idle", "○"),
}  # fmt: skip


@dataclass(frozen=True)
class WorkerRow:
    """A worker, and what it has in hand as the database knows it."""

    facts: WorkerFacts
    state: str
    word: str
    run: Run | None
    batch: Batch | None

    @property
    def look(self) -> tuple[str, str]:
        """Colour and sign."""
        return LOOKS[self.state]

    @property
    def python(self) -> str:
        """Its version, without when and how it was built."""
        return self.facts.python_version.partition(" ")[0][:12]

    @property
    def address(self) -> str:
        """Where it is in the network; on Redis's own machine RQ tells the socket's path instead."""
        told = self.facts.ip_address
        return "" if told == "unknown" or told.startswith("/") else told[:48]

    @property
    def is_bad(self) -> bool:
        """Whether nobody has heard of it for too long."""
        return self.state in ("lost", "silent")


def overview(request: HttpRequest) -> HttpResponse:
    """The page of all queues."""
    require(request)
    context = facts(request)
    return page(request, "admin/queues/page.html", _("Queues and workers"), **context)


def require(request: HttpRequest) -> None:
    """Raise PermissionDenied for who may not look."""
    if not request.user.has_perm(queue_acts.VIEW):
        raise PermissionDenied


def facts(request: HttpRequest) -> dict[str, Any]:
    """Everything on the page."""
    now, found = asking.now(request), census.survey()
    batches = open_batches(request)
    rows = worker_rows(found, batches, now, request)
    listed = {row.facts.name[:8] for row in rows}
    may_act = request.user.has_perm(queue_acts.MANAGE)
    return {
        "now": now,
        "found": found,
        "queues": found.queues,
        "workers": rows,
        "unlisted": [batch for suffix, batch in batches.items() if suffix not in listed],
        "registries": tuple(REGISTRIES),
        "ours": list(settings.QUEUES),
        "scheduler": scheduler(now),
        "may_act": may_act,
        "acts": latest_acts(request),
        "live_ms": LIVE_MS,
    }


def open_batches(request: HttpRequest) -> dict[str, Batch]:
    """What is in hand, by the end of its owner's name, which is the beginning of the worker's."""
    hidden = Run.objects.visible_to(request.user).active()
    rows = Batch.objects.leased().filter(run__in=hidden).select_related("run__processor")
    return {
        batch.owner.rpartition(":")[2]: batch
        for batch in rows.defer("keys", "remaining", "run__config").order_by("id")[:OPEN_BATCHES]
    }


def worker_rows(
    found: census.Survey, batches: dict[str, Batch], now: datetime, request: HttpRequest
) -> list[WorkerRow]:
    """The workers, those in trouble first."""
    runs = runs_of((worker.job for worker in found.workers), request)
    rows = []
    for worker in found.workers:
        state = state_of(worker, now, is_suspended=found.is_suspended)
        batch = batches.get(worker.name[:8])
        run = batch.run if batch else runs.get(worker.job.run_id or 0) if worker.job else None
        rows.append(WorkerRow(worker, state, state_words()[state], run, batch))
    order = list(LOOKS)
    return sorted(rows, key=lambda row: (order.index(row.state), row.facts.host, row.facts.name))


def state_of(worker: WorkerFacts, now: datetime, *, is_suspended: bool) -> str:
    """What a worker does, or that nobody knows."""
    if not worker.is_known or worker.heard_at is None:
        return "lost"
    if now - worker.heard_at > SILENT:
        return "silent"
    if worker.leaving_since is not None:
        return "leaving"
    if worker.state == "busy":
        return "busy"
    return "suspended" if is_suspended else "idle"


def state_words() -> dict[str, str]:
    """The states as people read them."""
    return {
        "lost": _("Ended without a word"),
        "silent": _("Silent"),
        "leaving": _("Leaving"),
        "busy": _("Busy"),
        "suspended": _("Suspended"),
        "idle": _("Idle"),
    }


def runs_of(jobs: Any, request: HttpRequest) -> dict[int, Run]:
    """The runs that jobs are about, as far as the person may know of them."""
    ids = {job.run_id for job in jobs if job is not None and job.run_id is not None}
    rows: QuerySet[Run] = Run.objects.visible_to(request.user)
    return rows.select_related("processor").defer("config").in_bulk(list(ids)) if ids else {}


def scheduler(now: datetime) -> dict[str, Any]:
    """Who ticks, and whether it still does."""
    this = Installation.objects.filter(pk=1).first()
    seen_at = this.scheduler_seen_at if this else None
    return {
        "name": this.scheduler_name if this else "",
        "seen_at": seen_at,
        "is_alive": seen_at is not None and now - seen_at <= SILENT,
    }


def latest_acts(request: HttpRequest) -> list[LogEntry]:
    """What was last done here, for who may read logs."""
    if not request.user.has_perm(VIEW_LOG):
        return []
    kind = ContentType.objects.get_for_model(Installation)
    rows = LogEntry.objects.filter(content_type=kind).select_related("user")
    return list(rows.order_by("-action_time")[:ACTS])


# Jobs of one queue or registry


def jobs(request: HttpRequest) -> HttpResponse:
    """A page of jobs: `?queue=default&place=failed&page=2`."""
    require(request)
    queue, place = request.GET.get("queue", ""), request.GET.get("place", WAITING)
    if not queue or place not in (WAITING, *REGISTRIES):
        raise BadRequest(_("Name a queue, and one of its places."))
    number = page_number(request)
    try:
        with answering():
            rows, total = jobs_of(queue, place, (number - 1) * JOBS, JOBS)
        error = ""
    except NoAnswer as trouble:
        rows, total, error = [], 0, str(trouble)
    runs = runs_of(rows, request)
    context = {
        "queue": queue,
        "place": place,
        "error": error,
        "rows": [(job, runs.get(job.run_id or 0)) for job in rows],
        "total": total,
        "tabs": [tab(queue, name, place) for name in (WAITING, *REGISTRIES)],
        "newer": link(queue, place, number - 1) if number > 1 else "",
        "older": link(queue, place, number + 1) if number * JOBS < total else "",
        "may_act": request.user.has_perm(queue_acts.MANAGE),
        "target": urlencode({"queue": queue, "place": place}),
        "live_ms": LIVE_MS,
    }
    title = _("Jobs of queue %(queue)s") % {"queue": queue[:80]}
    return page(request, "admin/queues/jobs.html", title, **context)


def page_number(request: HttpRequest) -> int:
    """Which page; the first for whatever is no number."""
    given = request.GET.get("page", "")
    return max(1, int(given)) if given.isdecimal() and len(given) < 9 else 1


def link(queue: str, place: str, number: int = 1) -> str:
    """The address of a page of jobs."""
    given = {"queue": queue, "place": place} | ({"page": str(number)} if number > 1 else {})
    return f"{reverse('admin:queue_jobs')}?{urlencode(given)}"


def tab(queue: str, name: str, place: str) -> dict[str, Any]:
    """One place of a queue."""
    return {"word": place_words()[name], "url": link(queue, name), "is_here": name == place}


def place_words() -> dict[str, str]:
    """Where a job can be, as people read it."""
    return {
        WAITING: _("Waiting"),
        "started": _("At work"),
        "deferred": _("Deferred"),
        "finished": _("Finished"),
        "failed": _("Failed"),
        "scheduled": _("Scheduled"),
        "canceled": _("Cancelled"),
    }
