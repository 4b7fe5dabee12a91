"""Failed records and all the others: by kind of error, and one by one."""

from collections.abc import Iterable
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Max, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processors.admin import (
    badges,
    columns,
    error_page,
    live,
    record_page,
    record_search,
    row_search,
)
from processors.admin.background import in_background
from processors.admin.base import OurList
from processors.admin.export import Column, Exports
from processors.admin.filters import ProcessorFilter
from processors.admin.masking import masked
from processors.admin.record_acts import RecordActs
from processors.admin.record_filters import (
    INDEXED,
    WINDOW,
    AttemptsFilter,
    ErrorFilter,
    FailedFilter,
    RecordStateFilter,
    RunFilter,
)
from processors.admin.record_tabs import state_tabs
from processors.models import Attempt, Record
from processors.wording import number


class RecordList(OurList):
    """The rows in the order of the state's index, each with a way back to this list."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """The state's filter knows which index serves it."""
        return list(queryset.query.order_by) or ["-id"]

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        here, runs = request.GET.urlencode(), last_runs(self.result_list)
        for record in self.result_list:
            record.seen_in, record.last_run = here, runs.get(record.pk)


def last_runs(records: Iterable[Record]) -> dict[int, tuple[int, int]]:
    """Id and number of the newest run in which each of these failed, or said something.

    One query: of a processor's runs the one that began last has the highest of both.
    """
    tried = Attempt.objects.filter(record__in=[one.pk for one in records]).order_by()
    newest = tried.values("record").annotate(run_id=Max("run"), seq=Max("run__seq"))
    return {pk: (run_id, seq) for pk, run_id, seq in newest.values_list("record", "run_id", "seq")}


@admin.register(Record)
class RecordAdmin(Exports, RecordActs):
    """What needs a person, first."""

    change_list_template = "admin/processors/record/list.html"
    list_title = gettext_lazy("Failed records")
    empty_text = gettext_lazy(
        "No failed records. They appear here when a record still fails after its last attempt."
    )
    search_text = gettext_lazy("Key, or error:… key:… payload.name:…")
    list_display = (
        "title", "state_shown", "error", "processor_shown", "run", "tries", "failed",
    )  # fmt: skip
    list_display_links = None
    list_filter = (
        RecordStateFilter, ProcessorFilter, ErrorFilter, FailedFilter, AttemptsFilter, RunFilter,
    )  # fmt: skip
    list_select_related = ("processor",)
    search_fields = ("key",)
    actions = ("retry_selected", "discard_selected", "settle_selected")
    as_cards = True
    announces_new = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("payload", "result")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RecordList

    def get_urls(self) -> list[Any]:
        edit = self.admin_site.admin_view(self.edit_view)
        own = path("<int:pk>/edit/", edit, name="processors_record_edit")
        errors = self.admin_site.admin_view(self.errors_csv_view)
        kinds = path("errors.csv", errors, name="processors_record_errors-csv")
        return [*self.act_urls(), own, kinds, *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Without any filter by kind of error, else one by one."""
        if request.method == "GET" and not request.GET:
            return error_page.by_error(self, request)
        own = {
            "tabs": state_tabs(request, self),
            "acts": in_background(request),
            "looked_through": record_search.LOOKED_THROUGH if request.GET.get("q") else 0,
            "window": 0 if request.GET.get("state", "attention") in INDEXED else WINDOW,
        }
        answer = super().changelist_view(request, own | (extra_context or {}))
        context = getattr(answer, "context_data", None) or {}
        found = context.get("cl")
        if found is not None and found.query and not live.is_poll(request):
            context |= row_search.beside(request, found.query, found.result_list)
        return answer

    def errors_csv_view(self, request: HttpRequest) -> Any:
        """The kinds of error as a file."""
        return error_page.as_csv(self, request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """See record_search."""
        if not search_term.strip():
            return queryset, False
        may_see = request.user.has_perm(record_page.VIEW_PAYLOAD)
        return record_search.find(queryset, search_term, may_see_payload=may_see), False

    def export_columns(self, request: HttpRequest) -> list[Column]:
        """With payload and result, secrets masked, for who may see them."""
        shown: list[Column] = [
            (_("Processor"), lambda record: record.processor.name),
            (_("Key"), lambda record: record.key),
            (_("State"), lambda record: record.state),
            (_("Attempts"), lambda record: record.attempts),
            (_("Error"), lambda record: record.error_type),
            (_("Message"), lambda record: record.last_error),
            (_("Arrived"), lambda record: record.created_at),
            (_("Settled"), lambda record: record.settled_at),
        ]
        if not request.user.has_perm(record_page.VIEW_PAYLOAD):
            return shown
        return [
            *shown,
            (_("Payload"), lambda record: masked(record.payload)),
            (_("Result"), lambda record: masked(record.result)),
        ]

    # Columns

    @admin.display(description=gettext_lazy("Record"))
    def title(self, record: Any) -> SafeString:
        """Its key."""
        url = reverse("admin:processors_record_change", args=[record.pk])
        query = urlencode({"in": getattr(record, "seen_in", "")})
        key = columns.cut(record.key, 60)
        return format_html('<a class="name key" href="{}?{}">{}</a>', url, query, key)

    @admin.display(description=gettext_lazy("State"))
    def state_shown(self, record: Record) -> SafeString:
        """What became of it."""
        return badges.record_badge(record)

    @admin.display(description=gettext_lazy("Error"))
    def error(self, record: Record) -> SafeString:
        """The last one, in one line."""
        only = columns.narrowing(record, "error", record.fingerprint, record.error_type)
        return columns.error(record.error_type or "", record.last_error, only)

    @admin.display(description=gettext_lazy("Run"))
    def run(self, record: Any) -> SafeString:
        """The last one that tried it."""
        if record.last_run is None:
            return columns.nothing()
        run_id, seq = record.last_run
        link = columns.link(reverse("admin:processors_run_change", args=[run_id]), f"#{seq}")
        only = columns.narrowing(record, "run", run_id, f"#{seq}")
        return format_html("{}{}", columns.labelled(_("Run"), link), only)

    @admin.display(description=gettext_lazy("Attempts"))
    def tries(self, record: Record) -> SafeString:
        """How often it was tried since the last retry."""
        return columns.labelled(_("Attempts"), number(record.attempts))

    @admin.display(description=gettext_lazy("Settled"))
    def failed(self, record: Record) -> SafeString:
        """Since when."""
        if record.settled_at is None:
            return columns.nothing()
        return columns.labelled(_("Settled"), columns.when(record.settled_at, timezone.now()))

    # Many at once

    @admin.action(description=gettext_lazy("Retry"), permissions=["manage"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """Try again with fresh attempts."""
        return self.treat(request, queryset, "retry")

    @admin.action(description=gettext_lazy("Discard"), permissions=["manage"])
    def discard_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """Not to be handled any more."""
        return self.treat(request, queryset, "discard")

    @admin.action(description=gettext_lazy("Mark parked as done"), permissions=["manage"])
    def settle_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """A person found out that they were done."""
        return self.treat(request, queryset, "settle")

    # One

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One record with everything that became of it."""
        record = self.find(request, object_id, Record.objects.select_related("processor"))
        beside = record_page.around(record, request)
        state = record_page.state_of(record, beside, request) if live.is_poll(request) else ""
        if state and live.is_known(request, state):
            return live.unchanged(state, record_page.live_ms(record))
        context = record_page.facts(record, beside, request) | {"live_state": state}
        return self.page(request, "admin/processors/record/page.html", record.key, **context)

    def edit_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Another payload for a failed record."""
        record = self.find(request, pk, Record.objects.select_related("processor"))
        return record_page.edit(self, record, request)
