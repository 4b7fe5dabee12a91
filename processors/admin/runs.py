"""Runs: the list, and the page of one."""

from collections.abc import Iterable
from datetime import timedelta
from operator import attrgetter
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processors.admin import (
    asking,
    badges,
    columns,
    live,
    looks,
    run_columns,
    run_search,
    run_workers,
    throughput,
)
from processors.admin.asking import once
from processors.admin.base import LIVE_MS, OurList
from processors.admin.export import Column, Exports
from processors.admin.filters import ProcessorFilter
from processors.admin.run_acts import RunActs
from processors.admin.run_filters import (
    WINDOW,
    LongerFilter,
    RunStateFilter,
    RunTriggerFilter,
    StartedFilter,
    WorkerFilter,
)
from processors.admin.run_page import facts, heavy_facts
from processors.models import Run
from processors.states import COUNTERS

JUST_ENDED = timedelta(minutes=2)


class RunList(OurList):
    """The rows, active ones with their counters."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = live.in_sight(request, self.result_list)
        now = asking.now(request)
        looks.with_counters(rows, request)
        throughput.with_rates(rows, now)
        assert isinstance(self.model_admin, RunAdmin)
        moving = self.model_admin.moving(request, rows) if live.is_poll(request) else rows
        run_workers.with_workers(moving)
        usual = looks.usual_seconds({run.processor for run in rows})
        for run in rows:
            run.usual_seconds = usual.get(run.processor_id)
        self.result_list = rows


@admin.register(Run)
class RunAdmin(Exports, RunActs):
    """Every cycle that ever was."""

    change_list_template = "admin/processors/run/list.html"
    list_title = gettext_lazy("Runs")
    empty_text = gettext_lazy("No runs yet. Start a processor, or run it once.")
    search_text = gettext_lazy("#number, processor, worker:… or error:…")
    live_ms = LIVE_MS
    live_columns = ("state_shown", "records", "started", "took", "rate", "worker")
    announces_new = True
    as_cards = True
    list_display = (
        "title",
        "processor_shown",
        "state_shown",
        "records",
        "started",
        "took",
        "rate",
        "cause",
        "worker",
    )
    list_display_links = None
    list_filter = (
        RunStateFilter, ProcessorFilter, RunTriggerFilter, StartedFilter, WorkerFilter,
        LongerFilter,
    )  # fmt: skip
    list_select_related = ("processor",)
    search_fields = ("seq",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("config")

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With what a search or a filter did not look through."""
        is_bounded = any(request.GET.get(name) for name in ("q", "worker", "longer"))
        own = {"looked_through": WINDOW if is_bounded else 0}
        return super().changelist_view(request, own | (extra_context or {}))

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RunList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """See run_search."""
        meant = once(request, ("runs", search_term), lambda: run_search.meaning(search_term))
        return queryset.filter(meant), False

    def export_rows(self) -> QuerySet[Any]:
        return super().export_rows().defer("config")

    def export_columns(self, request: HttpRequest) -> list[Column]:
        return [
            (_("Processor"), lambda run: run.processor.name),
            (_("Run"), lambda run: run.seq),
            (_("State"), lambda run: run.state),
            (_("Begun by"), lambda run: run.trigger),
            (_("Who"), lambda run: run.actor),
            (_("Reason"), lambda run: run.reason),
            (_("Started"), lambda run: run.started_at),
            (_("Ended"), lambda run: run.ended_at),
            *((name, attrgetter(name)) for name in COUNTERS),
            (_("Error"), lambda run: run.fault_reason),
        ]

    def moving(self, request: HttpRequest, rows: Iterable[Any]) -> Iterable[Any]:
        """Active runs, and those that have just ended."""
        lately = asking.now(request) - JUST_ENDED
        return [run for run in rows if run.ended_at is None or run.ended_at > lately]

    # Columns

    @admin.display(description=gettext_lazy("Run"))
    def title(self, run: Run) -> SafeString:
        """Its number within its processor."""
        return format_html('<a class="name" href="{}">#{}</a>', run.get_absolute_url(), run.seq)

    @admin.display(description=gettext_lazy("State"))
    def state_shown(self, run: Run) -> SafeString:
        """What became of it."""
        return columns.live(f"state-{run.pk}", badges.run_badge(run))

    @admin.display(description=gettext_lazy("Records"))
    def records(self, run: Run) -> SafeString:
        """A bar only while it is active: a red bar at 95 % reads as 95 % failed.

        And why the machine stopped it, if it did.
        """
        shown = run_columns.outcome(run) if run.has_ended else run_columns.progress(run)
        if run.fault_reason:
            why, whole = columns.cut(run.fault_reason, 60), run.fault_reason
            shown = format_html('{}<div class="bad-text" title="{}">{}</div>', shown, whole, why)
        return columns.live(f"records-{run.pk}", shown)

    @admin.display(description=gettext_lazy("Started"))
    def started(self, run: Run) -> SafeString:
        """When it began."""
        return columns.live(f"started-{run.pk}", columns.when(run.started_at, timezone.now()))

    @admin.display(description=gettext_lazy("Duration"))
    def took(self, run: Run) -> SafeString:
        """How long it took."""
        return columns.live(f"took-{run.pk}", run_columns.length_judged(run, timezone.now()))

    @admin.display(description=gettext_lazy("Rate"))
    def rate(self, run: Run) -> SafeString:
        """Records per second."""
        now = timezone.now()
        shown = run_columns.rate(run, now) if run.has_ended else run_columns.pace(run, columns.NONE)
        return columns.live(f"rate-{run.pk}", shown)

    @admin.display(description=gettext_lazy("Begun by"))
    def cause(self, run: Run) -> SafeString:
        """Trigger, and the person where there is one; on one line."""
        word = run.get_trigger_display()
        only = columns.narrowing(run, "trigger", run.trigger, word)
        return format_html("{}{} {}", word, only, run_columns.person(run))

    @admin.display(description=gettext_lazy("Worker"))
    def worker(self, run: Run) -> SafeString:
        """Who had records of it."""
        return columns.live(f"worker-{run.pk}", run_workers.shown(run))

    # Page

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One run."""
        run = self.find(request, object_id, Run.objects.select_related("processor"))
        own = facts(run, request, asking.now(request))
        if run.has_ended or not live.is_poll(request):
            own |= heavy_facts(run)
        title = f"{run.processor} #{run.seq}"
        return self.page(request, "admin/processors/run/page.html", title, **own)
