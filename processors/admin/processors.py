"""Processors: the list, and the page of one."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processors import control
from processors.admin import (
    asking,
    badges,
    columns,
    limits,
    looks,
    run_columns,
    slow_cards,
    throughput,
)
from processors.admin.access import Access
from processors.admin.acts import Acts, bulk_action
from processors.admin.add_records import AddRecords
from processors.admin.base import LIVE_MS
from processors.admin.buttons import VERBS, buttons
from processors.admin.definition_form import DefinitionForm
from processors.admin.filters import LastResultFilter, ProcessorStateFilter, ScheduleFilter
from processors.admin.limits import Limits
from processors.admin.live import in_sight, is_poll
from processors.admin.processor_page import facts, still_facts
from processors.admin.run_with import RunWith
from processors.admin.transfer import Transfer
from processors.admin.upcoming import trigger_words
from processors.admin.versions import Versions
from processors.models import Processor
from processors.models.processor import TriggerKind


class ProcessorList(ChangeList):
    """The rows with all that is shown beside them, read at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        rows = in_sight(request, self.result_list)
        now = asking.now(request)
        runs, newest = looks.active_runs(rows, request), looks.last_runs(rows)
        throughput.with_rates(list(runs.values()), now)
        waiting = looks.backlogs(rows, now)
        reasons = looks.whys(rows, runs.values(), request)
        looks.with_rests(rows, request)
        for processor in rows:
            processor.current_run = runs.get(processor.pk)
            processor.newest_runs = newest.get(processor.pk, [])
            processor.why = looks.telling(processor, reasons[processor.pk], now)
            processor.waiting = waiting[processor.pk]
            processor.buttons = buttons(processor, processor.current_run, request)
        self.result_list = rows


@admin.register(Processor)
class ProcessorAdmin(DefinitionForm, Acts, Access, AddRecords, Limits, RunWith, Versions, Transfer):
    """What operators look at most."""

    change_list_template = "admin/processors/processor/list.html"
    list_title = gettext_lazy("Processors")
    empty_text = gettext_lazy(
        "No processors yet. A processor takes records from a table or an inbox, gives each to a "
        "handler, and keeps what became of it."
    )
    search_text = gettext_lazy("Name, slug or description")
    live_ms = LIVE_MS
    as_cards = True
    list_display = (
        "title",
        "state_shown",
        "backlog",
        "runs",
        "next_run",
        "last_run",
        "row_buttons",
    )
    live_columns = list_display[1:]
    list_display_links = None
    list_filter = (ProcessorStateFilter, "queue", ScheduleFilter, LastResultFilter)
    search_fields = ("name", "slug", "description", "handler")
    actions = tuple(
        bulk_action(VERBS[name]) for name in ("start", "stop", "pause", "resume", "run-once")
    )

    def get_urls(self) -> list[Any]:
        parts = (self.form_urls, self.act_urls, self.access_urls, self.limits_urls)
        more = (self.version_urls, self.transfer_urls, self.add_records_urls, self.run_with_urls)
        own = [url for part in (*parts, *more) for url in part()]
        return [*own, *super().get_urls()]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ProcessorList

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether the list offers its bulk acts."""
        return request.user.has_perm(control.OPERATE)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With a field for the reason beside the bulk acts."""
        own = {"action_reason": self.has_operate_permission(request)}
        return super().changelist_view(request, own | (extra_context or {}))

    # Columns

    @admin.display(description=gettext_lazy("Processor"), ordering="name")
    def title(self, processor: Processor) -> SafeString:
        """Name and what it is for."""
        return format_html(
            '<a class="name" href="{}">{}</a><div class="quiet">{}</div>',
            processor.get_absolute_url(),
            processor.name,
            processor.description,
        )

    @admin.display(description=gettext_lazy("State"))
    def state_shown(self, processor: Any) -> SafeString:
        """State, the run in hand and how far it is, or in a sentence why none goes on."""
        look = "bad-text" if processor.is_faulted else "quiet"
        shown = format_html(
            '{}{}<div class="why {}">{}</div>',
            badges.processor_badge(processor),
            self.run(processor.current_run) if processor.current_run else "",
            look,
            processor.why,
        )
        return columns.live(f"state-{processor.pk}", shown)

    def run(self, run: Any) -> SafeString:
        """The run in hand and how far it is."""
        link = columns.link(run.get_absolute_url(), f"#{run.seq}")
        pace = run_columns.pace(run, "")
        return format_html(
            '<div class="in-hand">{} <span class="quiet">{}</span>{}</div>',
            link, pace, run_columns.progress(run),
        )  # fmt: skip

    @admin.display(description=gettext_lazy("Waiting"))
    def backlog(self, processor: Any) -> SafeString:
        """How many records wait."""
        shown = columns.labelled(_("Waiting"), columns.waiting(processor.waiting))
        return columns.live(f"waiting-{processor.pk}", shown)

    @admin.display(description=gettext_lazy("Last run"))
    def last_run(self, processor: Any) -> SafeString:
        """When the last one ended, and how long it took."""
        ended = [run for run in processor.newest_runs if run.has_ended]
        if not ended:
            return columns.live(f"last-{processor.pk}", columns.nothing())
        now = timezone.now()
        shown = format_html(
            '{}<div class="quiet">{}</div>',
            columns.labelled(_("Last run"), columns.when(ended[-1].started_at, now)),
            run_columns.length(ended[-1], now),
        )
        return columns.live(f"last-{processor.pk}", shown)

    @admin.display(description=gettext_lazy("Last 20 runs"))
    def runs(self, processor: Any) -> SafeString:
        """How the last ones ended."""
        shown = run_columns.strip(processor.newest_runs)
        return columns.live(f"runs-{processor.pk}", shown)

    @admin.display(description=gettext_lazy("Next run"))
    def next_run(self, processor: Any) -> SafeString:
        """When, and what sets the time."""
        has_time = processor.trigger_kind in (TriggerKind.CRON, TriggerKind.INTERVAL)
        shown = format_html(
            '{}<div class="quiet">{}</div>',
            columns.labelled(_("Next run"), run_columns.next_run(processor, timezone.now())),
            trigger_words(processor, is_short=True) if has_time else "",
        )
        return columns.live(f"next-{processor.pk}", shown)

    @admin.display(description=gettext_lazy("Actions"))
    def row_buttons(self, processor: Any) -> SafeString:
        """What can be done now."""
        context = {"buttons": processor.buttons[:2], "processor": processor, "form": "row-actions"}
        shown = render_to_string("admin/processors/processor/buttons.html", context)
        return columns.live(f"buttons-{processor.pk}", shown)

    # Pages

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """The processor's page; a POST comes from its form."""
        processor: Processor = self.find(request, object_id, Processor.objects.all())
        may_change = self.has_change_permission(request, processor)
        if request.method == "POST":
            return self.change(request, processor)
        now = asking.now(request)
        # Of a poll the slow cards come first: they are seldom new, and the runs may always be.
        own = slow_cards.facts(processor, request, now) | facts(processor, request)
        own |= limits.facts(processor, request, now)
        if not is_poll(request):
            own |= still_facts(processor, request) | limits.still_facts(processor, request)
            own |= self.form_facts(request, processor, may_change=may_change)
        template = "admin/processors/processor/page.html"
        return self.page(request, template, processor.name, **own)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Django's, under a title that names the processor."""
        processor = self.find(request, object_id, Processor.objects.all())
        title = {"title": _("Delete: %(name)s") % {"name": processor}}
        return super().delete_view(request, object_id, title | (extra_context or {}))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What stands in the way: history is never deleted along with its processor.

        Locked when it is really to go, so that what somebody publishes just now is seen.
        """
        if request.method == "POST":
            pks = [processor.pk for processor in objs]
            list(Processor.objects.select_for_update().filter(pk__in=pks).order_by("pk"))
        kept = [why for processor in objs for why in history_of(processor)]
        return [str(processor) for processor in objs], {}, set(), kept

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Never in bulk."""
        raise PermissionDenied


def history_of(processor: Processor) -> list[str]:
    """What a processor has done, as the reasons to keep it."""
    reasons = []
    if processor.runs.exists():
        reasons.append(
            _("%(name)s has runs: their history would be lost. Stop it instead.")
            % {"name": processor}
        )
    if processor.records.exists():
        reasons.append(_("%(name)s has records, which nobody would treat.") % {"name": processor})
    return reasons
