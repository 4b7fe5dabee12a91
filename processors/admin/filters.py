"""Filters that answer an operator's question without asking the whole table what it holds."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from processors.models import Attempt, Processor, Run
from processors.states import NEEDS_ATTENTION, ProcessorState, RecordState, RunState

Rows = QuerySet[Any]
Choices = list[tuple[str, Any]]


class ProcessorFilter(admin.SimpleListFilter):
    """One processor's rows."""

    title = _("processor")
    parameter_name = "processor"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        visible = Processor.objects.visible_to(request.user)
        return [(str(pk), name) for pk, name in visible.values_list("pk", "name")]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        value = self.value()
        if not value:
            return queryset
        return queryset.filter(processor=value) if value.isdecimal() else queryset.none()


class ProcessorStateFilter(admin.SimpleListFilter):
    """What operators want of processors."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [
            *((state.value, _(state.label)) for state in ProcessorState),
            ("faulted", _("Faulted")),
        ]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        if self.value() == "faulted":
            return queryset.exclude(fault_reason="")
        return queryset.filter(state=self.value()) if self.value() else queryset


class RunStateFilter(admin.SimpleListFilter):
    """Runs by what became of them."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [
            ("active", _("Active")),
            ("failures", _("With failures")),
            *((state.value, _(state.label)) for state in RunState if state != RunState.PAUSING),
        ]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        if self.value() == "active":
            return queryset.filter(ended_at__isnull=True)
        if self.value() == "failures":
            return queryset.filter(Q(dead__gt=0) | Q(parked__gt=0))
        return queryset.filter(state=self.value()) if self.value() else queryset


class RecordStateFilter(admin.SimpleListFilter):
    """Records that need a person, unless others are asked for."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [*((state.value, _(state.label)) for state in RecordState), ("all", _("All states"))]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield {**first, "display": _("Needs attention")}
        yield from others

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        if self.value() == "all":
            return queryset.order_by("-id")
        if self.value() in (None, *NEEDS_ATTENTION):
            failed = queryset.filter(failed_at__isnull=False).order_by("-failed_at", "-id")
            return failed.filter(state=self.value()) if self.value() else failed
        if self.value() == RecordState.READY:
            return queryset.filter(waits=True).order_by("-id")
        return queryset.filter(state=self.value()).order_by("-id")


class Given(admin.SimpleListFilter):
    """A filter that comes by a link: shown while it is on, to be taken off again."""

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        value = request.GET.get(str(self.parameter_name), "")
        return [(value, self.words(value))] if value else []

    def words(self, value: str) -> str:
        """How the value reads."""
        return value


class ErrorFilter(Given):
    """Records that failed with one kind of error."""

    title = _("error")
    parameter_name = "error"

    def words(self, value: str) -> str:
        sample = Attempt.objects.filter(fingerprint=value[:32]).order_by("-id")
        return sample.values_list("error_type", flat=True).first() or value[:32]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        if not self.value():
            return queryset
        same = Attempt.objects.filter(record=OuterRef("pk"), fingerprint=str(self.value())[:32])
        return queryset.filter(Exists(same))


class RunFilter(Given):
    """Records that had an attempt in one run."""

    title = _("run")
    parameter_name = "run"

    def words(self, value: str) -> str:
        run = Run.objects.filter(pk=value).first() if value.isdecimal() else None
        return f"#{run.seq}" if run else value[:20]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        value = self.value()
        if not value:
            return queryset
        if not value.isdecimal():
            return queryset.none()
        return queryset.filter(
            Exists(Attempt.objects.filter(record=OuterRef("pk"), run=int(value)))
        )


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
        value = self.value()
        if value == "machine":
            return queryset.filter(user__isnull=True)
        if not value:
            return queryset
        return queryset.filter(user=value) if value.isdecimal() else queryset.none()


class ActionFilter(admin.SimpleListFilter):
    """One kind of event."""

    title = _("action")
    parameter_name = "action_is"

    ACTIONS = (
        "create", "edit", "start", "stop", "pause", "resume", "fault", "clear-fault", "skip",
        "begin", "paused", "end", "reaped", "forced", "retry", "discard", "settle", "edit-payload",
        "reprocess", "access", "load",
    )  # fmt: skip

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(action, action) for action in self.ACTIONS]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        return queryset.filter(action=self.value()) if self.value() else queryset
