"""The audit: who moved what, from which state to which, when and why."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processors import wording
from processors.admin import columns
from processors.admin.base import HistoryAdmin
from processors.admin.export import Column, Exports
from processors.admin.filters import ActionFilter, ActorFilter, HappenedFilter, ProcessorFilter
from processors.admin.masking import masked
from processors.admin.record_page import VIEW_PAYLOAD
from processors.models import Event


@admin.register(Event)
class EventAdmin(Exports, HistoryAdmin):
    """One line per move."""

    list_title = gettext_lazy("Events")
    empty_text = gettext_lazy("Nothing has happened yet.")
    list_display = ("when", "processor_shown", "what", "moved", "who", "why")
    list_display_links = None
    list_filter = (ProcessorFilter, ActorFilter, ActionFilter, HappenedFilter)
    list_select_related = ("processor", "run", "record")
    actions = None
    live_ms = 5_000
    announces_new = True
    as_cards = True

    export_related = ("processor", "run", "record")

    def export_rows(self) -> QuerySet[Any]:
        return super().export_rows().defer("record__payload", "record__result", "run__config")

    def export_columns(self, request: HttpRequest) -> list[Column]:
        return [
            (_("When"), lambda event: event.at),
            (_("Processor"), lambda event: event.processor.name),
            (_("What"), lambda event: event.action),
            (_("Run"), lambda event: event.run and event.run.seq),
            (_("Record"), lambda event: event.record and event.record.key),
            (_("From"), lambda event: event.from_state),
            (_("To"), lambda event: event.to_state),
            (_("Actor"), lambda event: event.actor),
            (_("Why"), lambda event: event.reason),
        ]

    @admin.display(description=gettext_lazy("When"))
    def when(self, event: Event) -> SafeString | str:
        """When it happened; leads to the whole of it."""
        url = reverse("admin:processors_event_change", args=[event.pk])
        return columns.link(url, columns.when(event.at, timezone.now()))

    @admin.display(description=gettext_lazy("What"))
    def what(self, event: Event) -> SafeString:
        """The act, and on what."""
        word = wording.action(event.action)
        only = columns.narrowing(event, "action_is", event.action, word)
        return format_html("{}{} {}", word, only, subject(event))

    @admin.display(description=gettext_lazy("Moved"))
    def moved(self, event: Event) -> str:
        """From which state to which."""
        return states_of(event) or columns.nothing()

    @admin.display(description=gettext_lazy("Actor"))
    def who(self, event: Event) -> str:
        """A person, or a part of the machine."""
        return event.actor

    @admin.display(description=gettext_lazy("Why"))
    def why(self, event: Event) -> str:
        """The reason that was given."""
        return columns.cut(event.reason) or columns.nothing()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One event, its reason whole."""
        rows = Event.objects.select_related("processor", "run", "record", "batch")
        event = self.find(request, object_id, rows)
        changed = ""
        if event.details and request.user.has_perm(VIEW_PAYLOAD):
            changed = columns.as_json(masked(event.details))
        title = f"{event.actor}: {wording.action(event.action)} {states_of(event)}".rstrip()
        context = {"event": event, "subject": subject(event), "changed": changed}
        return self.page(request, "admin/processors/event/page.html", title, **context)


def states_of(event: Event) -> str:
    """`running → paused`; empty where no state was moved."""
    if not event.to_state:
        return ""
    to = wording.state(event.to_state)
    return f"{wording.state(event.from_state)} → {to}" if event.from_state else to


def subject(event: Event) -> SafeString | str:
    """What was moved, where it is not the processor itself."""
    if event.run is not None:
        return columns.link(
            event.run.get_absolute_url(), _("run #%(seq)s") % {"seq": event.run.seq}
        )
    if event.record is not None:
        url = record_url(event.record.pk)
        return columns.link(url, _("record %(key)s") % {"key": event.record.key})
    return _("batch %(id)s") % {"id": event.batch_id} if event.batch_id else ""


def record_url(pk: int) -> str:
    """A record's page."""
    return reverse("admin:processors_record_change", args=[pk])
