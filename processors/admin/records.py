"""Failed records and all the others: the list, the page of one, retry and discard."""

from collections import defaultdict
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from processors import control, dead_letters
from processors.admin import columns
from processors.admin.acts import say
from processors.admin.base import HistoryAdmin, user_of
from processors.admin.filters import ErrorFilter, ProcessorFilter, RecordStateFilter, RunFilter
from processors.models import Attempt, Event, Processor, Record
from processors.states import NEEDS_ATTENTION
from processors.wording import number

VIEW_PAYLOAD = "processors.view_payload"
BULK_CEILING = 5_000
"""Records that one bulk act moves: some seconds' work, and a request must end."""
ATTEMPTS = 50
EVENTS = 50


class RecordList(ChangeList):
    """The list is called after what it shows by default."""

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """The state's filter knows which index serves it."""
        return list(queryset.query.order_by) or ["-id"]


@admin.register(Record)
class RecordAdmin(HistoryAdmin):
    """What needs a person, first."""

    list_title = gettext_lazy("Failed records")
    empty_text = gettext_lazy(
        "No failed records. They appear here when a record still fails after its last attempt."
    )
    search_text = gettext_lazy("A record's whole key")
    list_display = ("title", "state_shown", "error", "processor_shown", "attempts", "failed")
    list_display_links = None
    list_filter = (RecordStateFilter, ProcessorFilter, ErrorFilter, RunFilter)
    list_select_related = ("processor",)
    search_fields = ("key",)
    actions = ("retry_selected", "discard_selected")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("payload", "result")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return RecordList

    def get_urls(self) -> list[Any]:
        wrap = self.admin_site.admin_view
        own = [
            path(
                f"<int:pk>/{what}/",
                wrap(self.one_view),
                {"what": what},
                name=f"processors_record_{what}",
            )
            for what in ("retry", "discard")
        ]
        return [*own, *super().get_urls()]

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """Whether retry and discard are offered."""
        return request.user.has_perm(dead_letters.MANAGE_DEAD)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """A whole key: the index on (processor, key) finds it among any number of records."""
        term = search_term.strip()
        if not term:
            return queryset, False
        ours = list(Processor.objects.values_list("pk", flat=True))
        return queryset.filter(processor__in=ours, key=term), False

    # Columns

    @admin.display(description=gettext_lazy("Record"))
    def title(self, record: Record) -> SafeString:
        """Its key."""
        url = reverse("admin:processors_record_change", args=[record.pk])
        return format_html('<a class="name key" href="{}">{}</a>', url, columns.cut(record.key, 60))

    @admin.display(description=gettext_lazy("State"))
    def state_shown(self, record: Record) -> SafeString:
        """What became of it."""
        return columns.record_badge(record)

    @admin.display(description=gettext_lazy("Error"))
    def error(self, record: Record) -> SafeString:
        """The last one, in one line."""
        return format_html('<span class="error">{}</span>', columns.cut(record.last_error) or "–")  # noqa: RUF001

    @admin.display(description=gettext_lazy("Processor"))
    def processor_shown(self, record: Record) -> SafeString:
        """Whose it is."""
        return columns.link(record.processor.get_absolute_url(), record.processor.name)

    @admin.display(description=gettext_lazy("Settled"))
    def failed(self, record: Record) -> SafeString | str:
        """Since when."""
        return columns.when(record.settled_at, timezone.now())

    # Many at once

    @admin.action(description=gettext_lazy("Retry"), permissions=["manage"])
    def retry_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Try again with fresh attempts."""
        return self.treat(request, queryset, "retry")

    @admin.action(description=gettext_lazy("Discard"), permissions=["manage"])
    def discard_selected(
        self, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse | None:
        """Not to be handled any more."""
        return self.treat(request, queryset, "discard")

    def treat(
        self, request: HttpRequest, queryset: QuerySet[Any], what: str
    ) -> HttpResponse | None:
        """Ask once, with the number; then one call into control per processor."""
        if not self.has_manage_permission(request):
            raise PermissionDenied
        if "confirmed" not in request.POST:
            return self.ask(request, queryset, what)
        chosen = list(queryset.values_list("processor_id", "pk")[: BULK_CEILING + 1])
        rest, chosen = chosen[BULK_CEILING:], chosen[:BULK_CEILING]
        moved = move_all(chosen, control.by_user(user_of(request), reason_of(request)), what)
        messages.success(request, told(what, moved, len(chosen)))
        if rest:
            messages.warning(
                request,
                _("At most %(most)s records at a time, so that a page never hangs: repeat it for "
                  "the rest.") % {"most": number(BULK_CEILING)},
            )  # fmt: skip
        return None

    def ask(self, request: HttpRequest, queryset: QuerySet[Any], what: str) -> HttpResponse:
        """The page between the menu and the act."""
        count = queryset.order_by()[: BULK_CEILING + 1].count()
        context = {
            "what": what,
            "n": min(count, BULK_CEILING),
            "count": number(min(count, BULK_CEILING)),
            "too_many": count > BULK_CEILING,
            "ids": request.POST.getlist(ACTION_CHECKBOX_NAME),
            "checkbox": ACTION_CHECKBOX_NAME,
            "action": request.POST.get("action", ""),
            "select_across": request.POST.get("select_across", "0"),
            "samples": queryset[:5],
            "is_retry": what == "retry",
        }
        title = _("Retry records") if what == "retry" else _("Discard records")
        return self.page(request, "admin/processors/record/confirm.html", title, **context)

    # One

    def one_view(self, request: HttpRequest, pk: int, what: str) -> HttpResponse:
        """Retry or discard one record."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        record = self.find(request, pk, Record.objects.select_related("processor"))
        if not self.has_manage_permission(request):
            raise PermissionDenied
        treat_one = dead_letters.retry_record if what == "retry" else dead_letters.discard_record
        act = control.by_user(user_of(request), reason_of(request))
        say(request, lambda: treat_one(record, act))
        return redirect("admin:processors_record_change", record.pk)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One record with everything that became of it."""
        record = self.find(request, object_id, Record.objects.select_related("processor"))
        may_see = request.user.has_perm(VIEW_PAYLOAD)
        attempts = Attempt.objects.filter(record=record).select_related("run").order_by("-id")
        needs = record.state in NEEDS_ATTENTION
        context = {
            "record": record,
            "payload": columns.as_json(record.payload) if may_see else None,
            "result": columns.as_json(record.result) if may_see else None,
            "may_see": may_see,
            "is_inbox": record.processor.source_kind == "inbox",
            "attempts": attempts.defer("run__config")[:ATTEMPTS],
            "events": Event.objects.filter(record=record).order_by("-id")[:EVENTS],
            "may_act": needs and self.has_manage_permission(request),
        }
        return self.page(request, "admin/processors/record/page.html", record.key, **context)


def reason_of(request: HttpRequest) -> str:
    """Why, in the operator's words."""
    return str(request.POST.get("reason", ""))


def move_all(chosen: list[tuple[int, int]], act: control.Act, what: str) -> int:
    """Retry or discard records, given as (processor, record); how many were moved."""
    ids: dict[int, list[int]] = defaultdict(list)
    for processor_id, pk in chosen:
        ids[processor_id].append(pk)
    verb = dead_letters.retry if what == "retry" else dead_letters.discard
    return sum(
        verb(owner, act, dead_letters.Selection(ids=tuple(own))) for owner, own in ids.items()
    )


def told(what: str, moved: int, chosen: int) -> str:
    """What was done, and that others were left alone."""
    if what == "retry":
        words = ngettext(
            "%(count)s record is tried again.", "%(count)s records are tried again.", moved
        )
    else:
        words = ngettext(
            "%(count)s record was discarded.", "%(count)s records were discarded.", moved
        )
    text = words % {"count": number(moved)}
    others = chosen - moved
    if not others:
        return text
    left = ngettext(
        "%(count)s was not failed and was left alone.",
        "%(count)s were not failed and were left alone.",
        others,
    )
    return f"{text} {left % {'count': number(others)}}"
