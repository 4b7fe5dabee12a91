"""Filters that answer an operator's question without asking the whole table what it holds."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from processors.admin import asking
from processors.admin.asking import once
from processors.admin.base import is_id
from processors.admin.tabs import StateTabs
from processors.models import Processor, Run
from processors.models.processor import TriggerKind
from processors.wording import ACTIONS

EVENTS_LOOKED_THROUGH = 100_000

Rows = QuerySet[Any]
Choices = list[tuple[str, Any]]


def whole(text: str | None) -> int | None:
    """A number that an id can be; None for no text, -1 (which nothing has) for nonsense."""
    if not text:
        return None
    return int(text) if is_id(text) else -1


def newest(rows: Rows, window: int) -> Rows:
    """Those among so many newest rows of their table: for what no index finds."""
    top = rows.model.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    return rows.filter(pk__gt=top - window)


class ProcessorFilter(admin.SimpleListFilter):
    """One processor's rows."""

    title = _("processor")
    parameter_name = "processor"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        def ask() -> Choices:
            visible = Processor.objects.visible_to(request.user)
            return [(str(pk), name) for pk, name in visible.values_list("pk", "name")]

        return once(request, "processors to choose from", ask)

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        owner = whole(self.value())
        return queryset if owner is None else queryset.filter(processor=owner)


class ProcessorStateFilter(StateTabs):
    """What processors do now, or what keeps them from it."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [
            ("running", _("Running")),
            ("started", _("Started")),
            ("paused", _("Paused")),
            ("stopped", _("Stopped")),
            ("faulted", _("Faulted")),
        ]

    def narrow(self, rows: Rows, value: str) -> Rows:
        """Each processor that is not faulted is in one of the other three; some of them run."""
        if value == "faulted":
            return rows.exclude(fault_reason="")
        if value == "running":
            return rows.filter(Exists(Run.objects.active().filter(processor=OuterRef("pk"))))
        return rows.filter(state=value, fault_reason="")


class ScheduleFilter(admin.SimpleListFilter):
    """By what begins a cycle."""

    title = _("schedule")
    parameter_name = "begins"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(kind.value, kind.label) for kind in TriggerKind]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        return queryset.filter(trigger_kind=self.value()) if self.value() else queryset


class LastResultFilter(admin.SimpleListFilter):
    """By how the newest run ended."""

    title = _("last result")
    parameter_name = "last"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [("good", _("Succeeded")), ("bad", _("Failed or with failures"))]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        newest = Run.objects.filter(processor=OuterRef("pk"), seq=OuterRef("last_seq"))
        if self.value() == "bad":
            return queryset.filter(Exists(newest.troubled()))
        if self.value() == "good":
            return queryset.filter(Exists(newest.filter(state="finished", dead=0, parked=0)))
        return queryset


class Given(admin.SimpleListFilter):
    """A filter that comes by a link: shown while it is on, to be taken off again."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        value = request.GET.get(str(self.parameter_name), "")
        return [(value, self.words(value))] if value else []

    def words(self, value: str) -> str:
        """How the value reads."""
        return value


class ActorFilter(admin.SimpleListFilter):
    """What one person did, or the machine by itself."""

    title = _("actor")
    parameter_name = "actor"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        people = get_user_model().objects.filter(is_staff=True).order_by("username")
        return [
            ("machine", _("The machine")),
            *((str(one.pk), one.get_username()) for one in people),
        ]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        if self.value() == "machine":
            return queryset.filter(user__isnull=True)
        person = whole(self.value())
        return queryset if person is None else queryset.filter(user=person)


class ActionFilter(admin.SimpleListFilter):
    """One kind of event."""

    title = _("action")
    parameter_name = "action_is"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return list(ACTIONS.items())

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        """Among the newest ones: no index knows the action, and most are old."""
        if not self.value():
            return queryset
        return newest(queryset, EVENTS_LOOKED_THROUGH).filter(action=self.value())


class HappenedFilter(admin.SimpleListFilter):
    """What happened not long ago."""

    title = _("time")
    parameter_name = "within"
    SPANS = {"1h": 1, "24h": 24, "7d": 7 * 24, "30d": 30 * 24}

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        words = (_("Last hour"), _("Last 24 hours"), _("Last 7 days"), _("Last 30 days"))
        return list(zip(self.SPANS, words, strict=True))

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        value = self.value()
        if value not in self.SPANS:
            return queryset
        return queryset.filter(at__gte=asking.now(request) - timedelta(hours=self.SPANS[value]))
