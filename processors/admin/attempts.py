"""Attempts: every try of a record that was not a plain success, over all records."""

from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processors import wording
from processors.admin import columns
from processors.admin.base import HistoryAdmin
from processors.admin.events import record_url
from processors.admin.export import Column, Exports
from processors.admin.filters import (
    Choices,
    Given,
    HappenedFilter,
    ProcessorFilter,
    Rows,
    newest,
    whole,
)
from processors.admin.run_filters import WINDOW
from processors.models import Attempt, Run
from processors.models.attempt import AttemptOutcome

OF_RUN = 50_000  # attempts of one run that are listed


class OutcomeFilter(admin.SimpleListFilter):
    """One outcome, among the newest attempts: no index knows it."""

    title = gettext_lazy("outcome")
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(outcome.value, outcome.label) for outcome in AttemptOutcome]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        return newest(queryset, WINDOW).filter(outcome=self.value()) if self.value() else queryset


class OfRunFilter(Given):
    """Those of one run."""

    title = gettext_lazy("run")
    parameter_name = "run"

    def words(self, value: str) -> str:
        run = Run.objects.filter(pk=whole(value) or 0).select_related("processor").first()
        return str(run) if run else value[:20]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        value = self.value()
        if not value:
            return queryset
        # By their ids: asked for in their order, the database might read all attempts backwards.
        of_run = Attempt.objects.filter(run=whole(value) or 0).order_by()
        return queryset.filter(pk__in=list(of_run.values_list("pk", flat=True)[:OF_RUN]))


class LatelyOfProcessorFilter(ProcessorFilter):
    """Those of one processor among the newest ones: no index has them in the list's order."""

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        found = super().queryset(request, queryset)
        return newest(found, WINDOW) if self.value() else found


@admin.register(Attempt)
class AttemptAdmin(Exports, HistoryAdmin):
    """What was tried, when, by whom, and what became of it."""

    change_list_template = "admin/processors/attempt/list.html"
    list_title = gettext_lazy("Attempts")
    empty_text = gettext_lazy("No attempts yet: a plain success leaves none.")
    search_text = gettext_lazy("Error")
    list_display = ("when", "record_shown", "outcome_shown", "error", "processor_shown", "of_run",
                    "took", "owner")  # fmt: skip
    list_display_links = None
    list_filter = (LatelyOfProcessorFilter, OutcomeFilter, HappenedFilter, OfRunFilter)
    list_select_related = ("processor", "run", "record")
    search_fields = ("message",)
    actions = None
    as_cards = True
    announces_new = True
    live_ms = 5_000
    export_related = ("processor", "run", "record")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        heavy = ("traceback", "log", "record__payload", "record__result", "run__config")
        return super().get_queryset(request).defer(*heavy)

    def export_rows(self) -> QuerySet[Any]:
        heavy = ("traceback", "log", "record__payload", "record__result", "run__config")
        return super().export_rows().defer(*heavy)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With what a search or a filter looked through."""
        is_bounded = any(request.GET.get(name) for name in ("q", "outcome", "processor"))
        own = {"looked_through": WINDOW if is_bounded else 0}
        return super().changelist_view(request, own | (extra_context or {}))

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Among the newest ones: no index knows their words."""
        term = search_term.strip()
        if not term:
            return queryset, False
        says = Q(message__icontains=term) | Q(error_type__icontains=term)
        return newest(queryset, WINDOW).filter(says), False

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """An attempt stands on the page of its record."""
        found = self.find(request, object_id, Attempt.objects.all())
        return redirect(record_url(found.record_id))

    def export_columns(self, request: HttpRequest) -> list[Column]:
        return [
            (_("When"), lambda one: one.at),
            (_("Processor"), lambda one: one.processor.name),
            (_("Record"), lambda one: one.record.key),
            (_("Run"), lambda one: one.run.seq),
            (_("Attempt"), lambda one: one.number),
            (_("Outcome"), lambda one: one.outcome),
            (_("Error"), lambda one: one.error_type),
            (_("Message"), lambda one: one.message),
            (_("Seconds"), lambda one: one.duration_seconds),
            (_("Worker"), lambda one: one.owner),
        ]

    @admin.display(description=gettext_lazy("When"))
    def when(self, attempt: Attempt) -> SafeString | str:
        """When it ended."""
        return columns.when(attempt.at, timezone.now())

    @admin.display(description=gettext_lazy("Record"))
    def record_shown(self, attempt: Attempt) -> SafeString:
        """Of which record."""
        url = record_url(attempt.record_id)
        return format_html(
            '<a class="name key" href="{}">{}</a>', url, columns.cut(attempt.record.key, 60)
        )

    @admin.display(description=gettext_lazy("Outcome"))
    def outcome_shown(self, attempt: Attempt) -> SafeString:
        """What became of it, and at which try."""
        facts = {"outcome": attempt.get_outcome_display(), "number": attempt.number}
        told = _("%(outcome)s, attempt %(number)s") % facts
        only = columns.narrowing(attempt, "outcome", attempt.outcome, facts["outcome"])
        return format_html("{}{}", told, only)

    @admin.display(description=gettext_lazy("Error"))
    def error(self, attempt: Attempt) -> SafeString:
        """In one line."""
        return columns.error(attempt.error_type, attempt.message)

    @admin.display(description=gettext_lazy("Run"))
    def of_run(self, attempt: Attempt) -> SafeString:
        """In which run."""
        link = columns.link(attempt.run.get_absolute_url(), f"#{attempt.run.seq}")
        only = columns.narrowing(attempt, "run", attempt.run_id, f"#{attempt.run.seq}")
        return format_html("{}{}", link, only)

    @admin.display(description=gettext_lazy("Duration"))
    def took(self, attempt: Attempt) -> SafeString:
        """How long it took."""
        seconds = attempt.duration_seconds
        if seconds is None:
            return columns.nothing()
        return columns.labelled(_("Duration"), wording.duration(seconds))
