"""The filters of the records' list: each asks an index, or the newest records only."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from processors.admin.filters import Choices, Given, Rows, newest, whole
from processors.clock import database_now
from processors.models import Attempt, Processor, Record, Run
from processors.states import NEEDS_ATTENTION, RecordState

ATTENTION = "attention"
WINDOW = 100_000
"""Records of states that no index finds are looked for among so many newest ones."""
FAILED_WINDOW = 20_000
"""The same for failed ones of a kind that no index finds."""
INDEXED = frozenset({ATTENTION, "retrying", *NEEDS_ATTENTION})
SPANS = {"1h": timedelta(hours=1), "24h": timedelta(days=1), "7d": timedelta(days=7)}


def newest_failed(rows: Rows) -> Rows:
    """Those among the newest FAILED_WINDOW failed records, for what no index of these finds."""
    failed = Record.objects.needing_attention().order_by("-failed_at", "-id")
    first_out = failed.values_list("failed_at", flat=True)[FAILED_WINDOW : FAILED_WINDOW + 1]
    oldest = list(first_out)
    return rows.filter(failed_at__gt=oldest[0]) if oldest else rows


def in_state(rows: Rows, state: str | None) -> Rows:
    """The records of a tab, in the order in which they are found."""
    if not state or state == ATTENTION:
        return rows.needing_attention().order_by("-failed_at", "-id")  # type: ignore[attr-defined,no-any-return]
    if state in NEEDS_ATTENTION:
        failed: Rows = rows.needing_attention().filter(state=state)  # type: ignore[attr-defined]
        return newest_failed(failed).order_by("-failed_at", "-id")
    if state == "retrying":
        return rows.retrying().order_by("-id")  # type: ignore[attr-defined,no-any-return]
    if state not in RecordState.values:
        return newest(rows, WINDOW).order_by("-id")
    return newest(rows, WINDOW).filter(state=state).order_by("-id")


def filtered(rows: Rows, given: Any) -> Rows:
    """The other filters, from an address."""
    owner, run = whole(given.get("processor")), whole(given.get("run"))
    if owner is not None:
        rows = rows.filter(processor=owner)
    if run is not None:
        rows = rows.filter(Exists(Attempt.objects.filter(record=OuterRef("pk"), run=run)))
    rows = of_error(rows, given.get("error"))
    rows = failed_within(rows, given.get("failed"))
    return tried(rows, given)


def of_error(rows: Rows, fingerprint: str | None) -> Rows:
    """Those whose last error was of this kind. All processors are named, for the index."""
    if not fingerprint:
        return rows
    every = list(Processor.objects.order_by().values_list("pk", flat=True))
    return rows.filter(processor__in=every, fingerprint=fingerprint[:32])


def failed_within(rows: Rows, span: str | None) -> Rows:
    """Those that failed not long ago."""
    if span not in SPANS:
        return rows
    return rows.filter(failed_at__gte=database_now() - SPANS[span])


def tried(rows: Rows, given: Any) -> Rows:
    """Those that were tried so many times; of failed ones, among the newest."""
    least = given.get("attempts")
    if least not in ("2", "3", "5"):
        return rows
    is_failed = given.get("state", ATTENTION) in (ATTENTION, *NEEDS_ATTENTION)
    return (newest_failed(rows) if is_failed else rows).filter(attempts__gte=int(least))


class RecordStateFilter(admin.SimpleListFilter):
    """Records that need a person, unless others are asked for; shown as tabs."""

    title = _("state")
    parameter_name = "state"
    is_tabs = True

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        known = [(state.value, state.label) for state in RecordState]
        return [("retrying", _("Retrying")), *known, ("all", _("All states"))]

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        first, *others = super().choices(changelist)
        yield {**first, "display": _("Needs attention")}
        yield from others

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        return in_state(queryset, self.value())


class ErrorFilter(Given):
    """Records that failed with one kind of error."""

    title = _("error")
    parameter_name = "error"

    def words(self, value: str) -> str:
        sample = of_error(Record.objects.needing_attention(), value).order_by("-failed_at", "-id")
        return sample.values_list("error_type", flat=True).first() or value[:32]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        return of_error(queryset, self.value())


class FailedFilter(admin.SimpleListFilter):
    """Records that failed not long ago."""

    title = _("failed")
    parameter_name = "failed"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [
            ("1h", _("in the last hour")),
            ("24h", _("in the last 24 h")),
            ("7d", _("in the last 7 days")),
        ]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        return failed_within(queryset, self.value())


class AttemptsFilter(admin.SimpleListFilter):
    """Records that were tried several times."""

    title = _("attempts")
    parameter_name = "attempts"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Choices:
        return [(least, _("%s or more") % least) for least in ("2", "3", "5")]

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        return tried(queryset, request.GET)


class RunFilter(Given):
    """Records that had an attempt in one run."""

    title = _("run")
    parameter_name = "run"

    def words(self, value: str) -> str:
        run = Run.objects.filter(pk=whole(value) or 0).first()
        return f"#{run.seq}" if run else value[:20]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> Rows:
        return filtered(queryset, {"run": self.value()})
