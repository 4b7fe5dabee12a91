"""The filters of the runs' list: each asks an index, or the newest runs only."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Exists, F, OuterRef, Q, Value
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from processors.admin import asking
from processors.admin.asking import once
from processors.admin.filters import Choices, Rows, newest
from processors.admin.tabs import StateTabs
from processors.clock import database_now
from processors.models import Batch, Run
from processors.models.run import Trigger
from processors.states import BatchState, RunState

WINDOW = 10_000
"""Runs, or batches, that are looked through for what no index finds: the newest ones."""
FOUND = 1_000  # runs that such a look shows
WORKERS = 40  # that are offered


class RunStateFilter(StateTabs):
    """Runs by what became of them."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        asked = [("active", _("Active"))] if request.GET.get("state") == "active" else []
        return [
            *asked,  # all that have not ended: where a link leads to them
            ("running", _("Running")),
            ("queued", _("Queued")),
            ("paused", _("Paused")),
            ("failed", _("Failed")),
            ("failures", _("With failures")),
            ("succeeded", _("Succeeded")),
            ("stopped", _("Stopped")),
        ]

    def narrow(self, rows: Rows, value: str) -> Rows:
        """A run that failed, or was stopped, may have failures as well."""
        if value in ACTIVE:  # an index knows the active ones
            return ACTIVE[value](rows.filter(ended_at__isnull=True))
        if value == "failures":
            return rows.filter(Q(dead__gt=0) | Q(parked__gt=0))
        if value == "succeeded":
            return rows.filter(state=RunState.FINISHED, dead=0, parked=0)
        return rows.filter(state=value)


def running(rows: Rows) -> Rows:
    """Of active runs those at work, on their way to a pause or to their end too."""
    return rows.filter(begun() | ~Q(state=RunState.RUNNING)).exclude(state=RunState.PAUSED)


def queued(rows: Rows) -> Rows:
    """Of active runs those that wait for their first worker."""
    return rows.filter(~begun(), state=RunState.RUNNING)


def begun() -> Exists:
    """Whether a worker has, or had, records of the run."""
    held = Batch.objects.filter(run=OuterRef("pk"))
    return Exists(held.filter(Q(claimed__gt=0) | Q(state=BatchState.LEASED)))


ACTIVE: Mapping[str, Callable[[Rows], Rows]] = {
    "active": lambda rows: rows,
    "running": running,
    "queued": queued,
    "paused": lambda rows: rows.filter(state=RunState.PAUSED),
}


class RunTriggerFilter(admin.SimpleListFilter):
    """Runs by why they began."""

    title = _("begun by")
    parameter_name = "trigger"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(trigger.value, trigger.label) for trigger in Trigger]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        return queryset.filter(trigger=self.value()) if self.value() else queryset


class StartedFilter(admin.SimpleListFilter):
    """Runs by when they began."""

    title = _("started")
    parameter_name = "since"
    DAYS = {"1": _("Last 24 hours"), "7": _("Last 7 days"), "30": _("Last 30 days")}
    OLD = {"30+": _("More than 30 days ago"), "90+": _("More than 90 days ago")}

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [*self.DAYS.items(), *self.OLD.items()]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        value = self.value()
        if value not in self.DAYS and value not in self.OLD:
            return queryset
        edge = asking.now(request) - timedelta(days=int(value.rstrip("+")))
        is_old = value in self.OLD
        return queryset.filter(**{"started_at__lt" if is_old else "started_at__gte": edge})


class WorkerFilter(admin.SimpleListFilter):
    """Runs in which one worker had records in hand; a worker on any host, in all its processes."""

    title = _("worker")
    parameter_name = "worker"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        asked, known = self.value(), once(request, "newest workers", newest_workers)
        more = {asked: asked} if asked and asked not in known else {}
        return list((known | more).items())

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        value = self.value()
        if not value:
            return queryset
        runs = once(request, ("runs of worker", value), lambda: runs_of_worker(value))
        return queryset.filter(pk__in=runs)


class LongerFilter(admin.SimpleListFilter):
    """Runs that took longer, or take longer already."""

    title = _("duration")
    parameter_name = "longer"
    SECONDS = {
        "60": _("Longer than 1 minute"),
        "600": _("Longer than 10 minutes"),
        "3600": _("Longer than 1 hour"),
        "21600": _("Longer than 6 hours"),
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return list(self.SECONDS.items())

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        value = self.value()
        if value not in self.SECONDS:
            return queryset
        runs = once(request, ("longer", value), lambda: runs_longer_than(int(value)))
        return queryset.filter(pk__in=runs)


def newest_workers() -> dict[str, str]:
    """The last part of a worker's name, and how it reads, of those that were at work lately."""
    owners = newest(Batch.objects.order_by(), WINDOW).values_list("owner", flat=True).distinct()
    return dict(list(dict(map(told, sorted(owners))).items())[:WORKERS])


def told(owner: str) -> tuple[str, str]:
    """The name of a worker that held a batch, the same in all its processes; and how it reads."""
    host, _pid, worker = parts_of(owner)
    return worker, worker if host == worker else f"{host} {worker}"


def parts_of(owner: str) -> tuple[str, str, str]:
    """Host, process and worker of a batch's owner."""
    host, pid, worker = [*owner.rsplit(":", 2), "", ""][:3]
    return host, pid, worker or owner


def runs_of_worker(worker: str) -> list[int]:
    """The runs of the newest batches that a worker held."""
    held = newest(Batch.objects.order_by(), WINDOW).filter(owner__endswith=worker[:200])
    return list(held.values_list("run", flat=True).distinct()[:FOUND])


def runs_longer_than(seconds: int) -> list[int]:
    """The newest runs that took longer, or take longer already."""
    ended = Coalesce("ended_at", Value(database_now()))
    took = newest(Run.objects.order_by("-pk"), WINDOW).alias(ended=ended)
    long = took.filter(started_at__lt=F("ended") - timedelta(seconds=seconds))
    return list(long.values_list("pk", flat=True)[:FOUND])
