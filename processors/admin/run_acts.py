"""What can be done to many runs: stopped, their failed records retried, old ones deleted."""

from typing import Any

from django.contrib import admin, messages
from django.core import signing
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from processors import control, dead_letters, retention
from processors.acts import Act, Refused, by_user
from processors.admin.acts import (
    BULK_CEILING,
    act_on_all,
    ask_about_all,
    must_ask,
    reason_of,
    way_back,
)
from processors.admin.base import HistoryAdmin, user_of
from processors.admin.buttons import VERBS
from processors.admin.record_acts import RecordActs
from processors.models import Attempt, Record, Run
from processors.selection import Selection
from processors.wording import number

CHOSEN = 1_000  # runs that one act is about
RECORDS = 10_000  # of them whose failed records are retried
SALT = "processors.purge"
DAY_SECONDS = 86_400


class RunActs(HistoryAdmin):
    """The part of the runs' admin that acts."""

    actions = ("stop_chosen", "retry_failed", "delete_chosen")

    def get_urls(self) -> list[Any]:
        purge = self.admin_site.admin_view(self.purge_view)
        return [path("purge/", purge, name="processors_run_purge"), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """With a field for the reason beside the bulk acts."""
        own = {"action_reason": self.has_operate_permission(request)}
        return super().changelist_view(request, own | (extra_context or {}))

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Whether stopping is offered."""
        return request.user.has_perm(control.OPERATE)

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """Whether retrying failed records is offered."""
        rights = (dead_letters.MANAGE_DEAD, "processors.view_record")
        return request.user.has_perms(rights)

    def has_purge_permission(self, request: HttpRequest) -> bool:
        """Whether deleting is offered."""
        return request.user.has_perm(retention.DELETE_RUNS)

    @admin.action(description=VERBS["stop"].caption, permissions=["operate"])
    def stop_chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """Stop the processors whose chosen runs go on: those runs first, however many ended."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        rows = queryset.select_related("processor").defer("config")
        chosen = [*rows.active()[: BULK_CEILING + 1]]  # type: ignore[attr-defined]
        ended = rows.exclude(pk__in=[run.pk for run in chosen])
        chosen += ended[: BULK_CEILING + 1 - len(chosen)]
        if must_ask(request, VERBS["stop"]):
            return ask_about_all(self, request, VERBS["stop"], chosen)
        act_on_all(request, chosen, stop, VERBS["stop"].done)
        return redirect(way_back(request, request.get_full_path()))

    @admin.action(description=gettext_lazy("Retry failed records…"), permissions=["manage"])
    def retry_failed(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask about the records that failed in these runs and still need somebody."""
        runs = list(queryset.order_by().values_list("pk", flat=True)[:CHOSEN])
        failed = Attempt.objects.filter(run__in=runs, record__failed_at__isnull=False).order_by()
        ids = failed.values_list("record", flat=True).distinct()[:RECORDS]
        if not ids:
            messages.warning(request, _("No record of these runs needs attention."))
            return None
        records = self.admin_site.get_model_admin(Record)
        assert isinstance(records, RecordActs)
        return records.ask(request, Selection(ids=tuple(ids)), "retry")

    @admin.action(description=gettext_lazy("Delete…"), permissions=["purge"])
    def delete_chosen(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """Ask, with the numbers of what would go."""
        ids = list(queryset.order_by("started_at", "pk").values_list("pk", flat=True)[:CHOSEN])
        plan = retention.plan_purge(ids, by_user(user_of(request)))
        context = {
            "plan": plan,
            "counts": told(plan),
            "left": len(ids) - len(plan.runs),
            "is_cut": len(ids) == CHOSEN,
            "reason": reason_of(request),
            "chosen": signing.dumps(plan.runs, salt=SALT),
            "back": request.get_full_path(),
        }
        title = _("Delete runs")
        return self.page(request, "admin/processors/run/purge.html", title, **context)

    def purge_view(self, request: HttpRequest) -> HttpResponse:
        """Delete what the page asked about."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (self.has_view_permission(request) and self.has_purge_permission(request)):
            raise PermissionDenied
        try:
            ids = signing.loads(request.POST.get("chosen", ""), salt=SALT, max_age=DAY_SECONDS)
        except signing.BadSignature as error:
            raise BadRequest(_("This page is too old: choose the runs again.")) from error
        try:
            plan = retention.purge(ids, by_user(user_of(request), reason_of(request)))
        except Refused as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, _("Deleted: %(counts)s.") % {"counts": told(plan)})
        return redirect(reverse("admin:processors_run_changelist"))


def stop(run: Run, act: Act) -> str:
    """Stop the processor of a run that goes on. Raises Refused, Processor.DoesNotExist."""
    if run.has_ended:
        raise Refused(
            _("Run %(seq)s of %(name)s has ended.") % {"seq": run.seq, "name": run.processor}
        )
    return control.stop(run.processor_id, act)


def told(plan: retention.Purge) -> str:
    """`12 runs, 30 batches, 4 attempts, 25 events`; a count that was stopped with a plus."""
    of = plan.counts
    words = {
        "runs": ngettext("%(count)s run", "%(count)s runs", of["runs"]),
        "batches": ngettext("%(count)s batch", "%(count)s batches", of["batches"]),
        "attempts": ngettext("%(count)s attempt", "%(count)s attempts", of["attempts"]),
        "events": ngettext("%(count)s audit line", "%(count)s audit lines", of["events"]),
    }
    most = retention.PURGED_AT_ONCE
    return ", ".join(
        text % {"count": f"{number(most)}+" if of[name] > most else number(of[name])}
        for name, text in words.items()
    )
