"""Runs: the list, and the page of one."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processors.admin import columns, looks
from processors.admin.base import LIVE_MS, HistoryAdmin
from processors.admin.buttons import buttons
from processors.admin.filters import ProcessorFilter, RunStateFilter
from processors.clock import database_now
from processors.explain import why_run
from processors.models import Attempt, Batch, Event, Run
from processors.wording import number

BATCHES = 100
FAILURES = 50
TIMELINE = 200


class RunList(ChangeList):
    """The rows, active ones with their counters."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        looks.with_counters(self.result_list, database_now())


@admin.register(Run)
class RunAdmin(HistoryAdmin):
    """Every cycle that ever was."""

    list_title = gettext_lazy("Runs")
    empty_text = gettext_lazy("No runs yet. Start a processor, or run it once.")
    search_text = gettext_lazy("Run number or processor")
    live_ms = LIVE_MS
    live_columns = ("state_shown", "records", "started", "took", "rate")
    announces_new = True
    list_display = (
        "title",
        "processor_shown",
        "state_shown",
        "records",
        "started",
        "took",
        "rate",
        "cause",
    )
    list_display_links = None
    list_filter = (RunStateFilter, ProcessorFilter, "trigger", "started_at")
    list_select_related = ("processor",)
    search_fields = ("seq",)
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("config")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RunList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """A number is a run's, anything else a part of the processor's name."""
        term = search_term.strip().removeprefix("#")
        if not term:
            return queryset, False
        if term.isdecimal() and len(term) < 19:
            return queryset.filter(seq=int(term)), False
        return queryset.filter(processor__name__icontains=term), False

    # Columns

    @admin.display(description=gettext_lazy("Run"))
    def title(self, run: Run) -> SafeString:
        """Its number within its processor."""
        return format_html('<a class="name" href="{}">#{}</a>', run.get_absolute_url(), run.seq)

    @admin.display(description=gettext_lazy("Processor"))
    def processor_shown(self, run: Run) -> SafeString:
        """Whose it is."""
        return columns.link(run.processor.get_absolute_url(), run.processor.name)

    @admin.display(description=gettext_lazy("State"))
    def state_shown(self, run: Run) -> SafeString:
        """What became of it."""
        return columns.live(f"state-{run.pk}", columns.run_badge(run))

    @admin.display(description=gettext_lazy("Records"))
    def records(self, run: Run) -> SafeString:
        """A bar only while it is active: a red bar at 95 % reads as 95 % failed."""
        shown = columns.outcome(run) if run.has_ended else columns.progress(run)
        return columns.live(f"records-{run.pk}", shown)

    @admin.display(description=gettext_lazy("Started"))
    def started(self, run: Run) -> SafeString:
        """When it began."""
        return columns.live(f"started-{run.pk}", columns.when(run.started_at, timezone.now()))

    @admin.display(description=gettext_lazy("Duration"))
    def took(self, run: Run) -> SafeString:
        """How long it took."""
        return columns.live(f"took-{run.pk}", columns.run_length(run, timezone.now()))

    @admin.display(description=gettext_lazy("Rate"))
    def rate(self, run: Run) -> SafeString:
        """Records per second."""
        return columns.live(f"rate-{run.pk}", columns.run_rate(run, timezone.now()))

    @admin.display(description=gettext_lazy("Begun by"))
    def cause(self, run: Run) -> SafeString:
        """Trigger and who."""
        return format_html('{}<div class="quiet">{}</div>', _(run.get_trigger_display()), run.actor)

    # Page

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One run."""
        run = self.find(request, object_id, Run.objects.select_related("processor"))
        title = f"{run.processor} #{run.seq}"
        return self.page(request, "admin/processors/run/page.html", title, **facts(run, request))


def facts(run: Run, request: HttpRequest) -> dict[str, Any]:
    """Everything about one run."""
    now = database_now()
    looks.with_counters([run], now)
    batches = Batch.objects.filter(run=run).defer("keys", "remaining").order_by("-id")
    failures = Attempt.objects.filter(run=run).failures().select_related("record")
    told = Event.objects.filter(Q(run=run) | Q(batch__run=run)).order_by("id")
    # The buttons act on the processor, so only the active run of one has any.
    offered = [] if run.has_ended else buttons(run.processor, run, request)
    return {
        "run": run,
        "now": now,
        "why": "" if run.has_ended else why_run(run.processor, run, now),
        "buttons": offered,
        "counters": counters(run),
        "batches": batches[:BATCHES],
        "batch_cap": BATCHES,
        "failures": failures.defer("traceback", "log").order_by("-id")[:FAILURES],
        "failure_cap": FAILURES,
        "events": told[:TIMELINE],
        "config": columns.as_json(run.config),
        "live_ms": 0 if run.has_ended else 2_000,
    }


def counters(run: Run) -> list[tuple[str, str, str]]:
    """Label, number and colour of each counter."""
    names = (
        ("done", _("Done"), ""),
        ("skipped", _("Skipped"), ""),
        ("retried", _("To be retried"), "warn-text"),
        ("dead", _("Dead"), "bad-text"),
        ("parked", _("Parked"), "bad-text"),
        ("crashed", _("Worker lost"), "bad-text"),
        ("released", _("Given back"), ""),
        ("claimed", _("Taken in all"), ""),
    )
    return [
        (label, number(getattr(run, name)), look if getattr(run, name) else "")
        for name, label, look in names
    ]
