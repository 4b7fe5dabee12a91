"""Pause all and Resume all: the page that asks, the acts, and the banner meanwhile."""

import uuid
from dataclasses import dataclass

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _

from processors import pause_all
from processors.admin import asking
from processors.admin.acts import end_of_pause, pause_ends, say, way_back
from processors.admin.base import page
from processors.admin.buttons import act_of
from processors.models import Run
from processors.protocol.all_paused import AllPaused


@dataclass(frozen=True)
class Banner:
    """What every page says while everything is paused; `seen` is what a click on Resume carries."""

    sentence: str
    seen: str
    may_resume: bool


def banner(request: HttpRequest) -> Banner | None:
    """None while not everything is paused, and for who may not see processors."""
    if not request.user.has_perm("processors.view_processor"):
        return None
    found = asking.pause_of_all(request)
    if found is None:
        return None
    may_resume = pause_all.may_pause_all(request.user)
    return Banner(found.sentence(asking.now(request)), seen(found), may_resume)


def is_offered(request: HttpRequest) -> bool:
    """Whether *Pause all* stands on a page: for who may, while nobody has."""
    return asking.pause_of_all(request) is None and pause_all.may_pause_all(request.user)


def seen(found: AllPaused | None) -> str:
    """What a click carries: the state that the page showed, and a name of its own."""
    return f"{pause_all.stamp(found)}:{uuid.uuid4()}"


def pause_view(request: HttpRequest) -> HttpResponse:
    """A page that asks until when and why; its POST pauses."""
    refuse_others(request)
    back = way_back(request, reverse("admin:index"))
    if request.method == "POST":
        say(request, lambda: pause_all.pause_all(act_of(request), until=end_of_pause(request)))
        return redirect(back)
    found = asking.pause_of_all(request)
    return page(
        request,
        "admin/pause_all.html",
        _("Pause all processors"),
        found=found,
        seen=seen(found),
        back=back,
        **pause_ends(request),
        active=Run.objects.active().count(),
    )


def resume_view(request: HttpRequest) -> HttpResponse:
    """POST only."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    refuse_others(request)
    say(request, lambda: pause_all.resume_all(act_of(request)))
    return redirect(way_back(request, reverse("admin:index")))


def refuse_others(request: HttpRequest) -> None:
    """Raise PermissionDenied unless the person may pause everything."""
    if not pause_all.may_pause_all(request.user):
        raise PermissionDenied
