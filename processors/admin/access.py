"""Who may know of a processor: everyone with the rights, or the members of some groups alone."""

from typing import Any

from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from processors import editing
from processors.acts import by_user
from processors.admin.acts import say
from processors.admin.base import OurAdmin, is_id, user_of
from processors.models import Processor
from processors.querysets import ADMINISTER


class Access(OurAdmin):
    """The part of the processors' admin that keeps one to groups."""

    def access_urls(self) -> list[URLPattern]:
        """The page with the groups."""
        view = self.admin_site.admin_view(self.access_view)
        return [path("<int:pk>/access/", view, name="processors_processor_access")]

    def access_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """A box to tick for each group."""
        processor: Processor = self.find(request, pk, Processor.objects.all())
        if not request.user.has_perm(ADMINISTER):
            raise PermissionDenied
        if request.method == "POST":
            chosen = Group.objects.filter(pk__in=whole_numbers(request.POST.getlist("groups")))
            act = by_user(user_of(request), request.POST.get("reason", ""))
            say(request, lambda: editing.keep_to(processor.pk, list(chosen), act))
            return redirect(processor)
        context: dict[str, Any] = {
            "processor": processor,
            "groups": Group.objects.order_by("name"),
            "chosen": set(processor.groups.values_list("pk", flat=True)),
        }
        title = _("Who may see %(name)s") % {"name": processor}
        return self.page(request, "admin/processors/processor/access.html", title, **context)


def whole_numbers(texts: list[str]) -> list[int]:
    """Those that are some; anything else was made up."""
    return [int(text) for text in texts if is_id(text)]
