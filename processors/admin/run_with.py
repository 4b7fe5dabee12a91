"""Run with…: one run otherwise than usual, on a page that opens as a dialog."""

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from processors import control
from processors.admin import looks
from processors.admin.acts import say
from processors.admin.base import OurAdmin, is_id, refuse_doubles
from processors.admin.buttons import Button, OldPage, Verb, act_of
from processors.clock import database_now
from processors.forms.run_with import RunWithForm
from processors.handlers import registry
from processors.models import Processor, Run


class RunWith(OurAdmin):
    """The part of the processors' admin that begins a run with a limit or other options."""

    def run_with_urls(self) -> list[URLPattern]:
        """Its page."""
        view = self.admin_site.admin_view(self.run_with_view)
        return [path("<int:pk>/run-with/", view, name="processors_processor_run-with")]

    def run_with_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Begin the run and lead to its page; say beside the fields what is wrong with them."""
        processor: Processor = self.find(request, pk, Processor.objects.all())
        if not request.user.has_perm(control.OPERATE):
            raise PermissionDenied
        may_change = request.user.has_perm(control.CHANGE)
        drawn = request.POST.get("options_of", "")
        if drawn and not may_change:
            raise PermissionDenied  # rather than begin another run than was asked for
        if drawn and drawn != processor.handler:
            say(request, refuse_old_page)
            return redirect(request.path)
        refuse_doubles(request)
        data = request.POST if request.method == "POST" else None
        like = run_like(request, processor)
        form = RunWithForm(processor, data, may_change_options=may_change, like=like)
        if data is not None and form.is_valid():
            begun: list[Run] = []
            if say(request, lambda: begin(request, form, begun)):
                return redirect(begun[0])
        return self.page(
            request,
            "admin/processors/processor/run_with.html",
            _("Run %(name)s with…") % {"name": processor},
            processor=processor,
            form=form,
            button=Button(Verb("run-with", _("Run"), control.stop), processor),
            can_dry_run=can_dry_run(processor),
            backlog=looks.backlogs([processor], database_now())[processor.pk],
        )


def run_like(request: HttpRequest, processor: Processor) -> Run | None:
    """The run that the new one shall be like, where the address names one of this processor's."""
    pk = request.GET.get("like", "")
    if not (is_id(pk) and request.user.has_perm("processors.view_run")):
        return None
    found: Run | None = Run.objects.filter(processor=processor, pk=pk).first()
    return found


def begin(request: HttpRequest, form: RunWithForm, begun: list[Run]) -> str:
    """Begin the run as the page asked for; it goes into `begun`. Raises Refused, OldPage."""
    begun.append(form.begin(act_of(request)))
    return control.begun_words(begun[0])


def refuse_old_page() -> str:
    """What was typed is another handler's. Raises OldPage."""
    raise OldPage(
        _(
            "Nothing was begun: it has another handler now, whose options are these. Look at them, "
            "then decide."
        )
    )


def can_dry_run(processor: Processor) -> bool:
    """Whether what its handler does can be taken back."""
    handler = registry.find(processor.handler)
    return handler is not None and handler.effects == "database"
