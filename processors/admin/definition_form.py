"""The form of a processor's definition: typed, shown again, previewed, saved."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from processors import control, editing
from processors.acts import by_user
from processors.admin import slots
from processors.admin.base import OurAdmin, refuse_doubles, user_of
from processors.admin.form_help import Look, form_page, looked_at
from processors.clock import database_now
from processors.forms import ProcessorForm
from processors.models import Processor

SHOW = "_show"


class DefinitionForm(OurAdmin):
    """The part of the processors' admin that defines."""

    def form_urls(self) -> list[URLPattern]:
        """What it asks while somebody types; the form itself is at Django's own addresses."""
        view = self.admin_site.admin_view(self.schedule_preview)
        return [path("schedule-preview/", view, name="processors_processor_schedule-preview")]

    def schedule_preview(self, request: HttpRequest) -> HttpResponse:
        """What a cron line means, while it is typed."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        cron, zone, blackouts = (
            request.GET.get(name, "") for name in ("cron", "time_zone", "blackouts")
        )
        found = slots.preview(cron, zone, database_now(), blackouts)
        html = render_to_string("admin/processors/processor/schedule.html", {"schedule": found})
        return JsonResponse({"html": html})

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """An empty form, one filled with what another processor says, or what was typed into it."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        refuse_doubles(request)
        like = request.GET.get("like", "") if request.method != "POST" else ""
        original = self.find(request, like, Processor.objects.all()) if like else None
        form = ProcessorForm(
            **sent(request), like=original, may_change_source=may_change_source(request)
        )
        if request.method != "POST":
            form.initial["operation"] = uuid.uuid4()
        return self.answer_form(request, form)

    def change(self, request: HttpRequest, processor: Processor) -> HttpResponse:
        """What was sent from the form on a processor's page."""
        if not self.has_change_permission(request, processor):
            raise PermissionDenied
        refuse_doubles(request)
        form = ProcessorForm(
            **sent(request), existing=processor, may_change_source=may_change_source(request)
        )
        return self.answer_form(request, form, processor)

    def form_facts(
        self, request: HttpRequest, processor: Processor, *, may_change: bool
    ) -> dict[str, Any]:
        """The form, and what a person may do with it."""
        form = ProcessorForm(existing=processor, may_change_source=may_change_source(request))
        form.initial["operation"] = uuid.uuid4()
        # A database that did not answer is not waited for a second time.
        problem = form.offered.problem
        shown = (
            Look(problem=problem) if problem else looked_at(processor.source, request, processor)
        )
        own = form_page(form, processor, shown)
        may_delete = self.has_delete_permission(request, processor)
        return own | {"form": form, "may_change": may_change, "may_delete": may_delete}

    def answer_form(
        self, request: HttpRequest, form: ProcessorForm, processor: Processor | None = None
    ) -> HttpResponse:
        """Save it, preview it, or show it again with what is wrong."""
        preview, is_valid = None, False
        if request.method == "POST" and SHOW in request.POST:
            return self.show_form(request, form, processor)
        is_sent = request.method == "POST"
        if is_sent and not form.is_valid() and (known := form.done_already()):
            return self.after_saving(request, known, is_new=True)
        if is_sent and form.is_valid() and form.check_seen():
            is_valid = True
            if "_preview" in request.POST:
                preview = looked_at(form.columns["source"], request, processor)
            else:
                act = by_user(user_of(request), operation=form.cleaned_data["operation"])
                saved = form.save(act)
                if saved is not None:
                    return self.after_saving(request, saved, is_new=processor is None)
        context = {"form": form, "is_valid": is_valid, **form_page(form, processor, preview)}
        return self.form_page(request, processor, context)

    def show_form(
        self, request: HttpRequest, form: ProcessorForm, processor: Processor | None
    ) -> HttpResponse:
        """What was typed, with what it lets us offer: nothing is judged yet."""
        is_chosen = form.offered.columns and form["key"].value() and form["status"].value()
        shown = looked_at(form.source(), request) if is_chosen else None
        context = {"form": form, "offer_preview": shown, **form_page(form, processor, None)}
        return self.form_page(request, processor, context)

    def form_page(
        self, request: HttpRequest, processor: Processor | None, context: dict[str, Any]
    ) -> HttpResponse:
        """The form on a page of its own."""
        title = _("Change %(name)s") % {"name": processor} if processor else _("Add processor")
        template = "admin/processors/processor/form.html"
        return self.page(request, template, title, processor=processor, **context)

    def after_saving(
        self, request: HttpRequest, processor: Processor, *, is_new: bool
    ) -> HttpResponse:
        """What was done, and from when on it counts."""
        if is_new:
            told = (
                _("%(name)s was added; start it when you are ready.")
                if request.user.has_perm(control.OPERATE)
                else _("%(name)s was added; it begins when an operator starts it.")
            )
            messages.success(request, told % {"name": processor})
        elif processor.runs.active().exists():
            messages.success(
                request,
                _("%(name)s was saved. Changes apply from the next run; limits at once.")
                % {"name": processor},
            )
        else:
            messages.success(request, _("%(name)s was saved.") % {"name": processor})
        return redirect(processor)


def sent(request: HttpRequest) -> dict[str, Any]:
    """What was sent: to be judged, or only to be shown again."""
    if request.method != "POST":
        return {}
    return {"typed" if SHOW in request.POST else "data": request.POST}


def may_change_source(request: HttpRequest) -> bool:
    """Whether the person may say which tables and hosts records come from."""
    return request.user.has_perm(editing.CHANGE_SOURCE)
