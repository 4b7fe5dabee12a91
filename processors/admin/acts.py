"""The views behind the buttons: POST only, one call into `control`, one sentence back."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processors import control
from processors.acts import Act, Refused, by_user
from processors.admin import asking, looks
from processors.admin.base import OurAdmin, user_of
from processors.admin.buttons import VERBS, Button, OldPage, Verb, act_of
from processors.clock import database_now
from processors.force_stop import FORCE_STOP, force_stop
from processors.models import Processor

PAUSES = {
    900: gettext_lazy("15 minutes"),
    3600: gettext_lazy("1 hour"),
    4 * 3600: gettext_lazy("4 hours"),
    24 * 3600: gettext_lazy("1 day"),
}
BULK_CEILING = 200
"""Rows that one bulk act treats: each is a transaction, and a request must end."""


class Acts(OurAdmin):
    """The part of the processors' admin that acts."""

    def act_urls(self) -> list[URLPattern]:
        """One address per verb, and the one that needs its own page."""
        wrap = self.admin_site.admin_view
        verbs = [
            path(
                f"<int:pk>/{verb.name}/",
                wrap(self.act_view),
                {"verb": verb},
                name=f"processors_processor_{verb.name}",
            )
            for verb in VERBS.values()
        ]
        force = path(
            "<int:pk>/force-stop/",
            wrap(self.force_stop_view),
            name="processors_processor_force-stop",
        )
        return [*verbs, force]

    def act_view(self, request: HttpRequest, pk: int, verb: Verb) -> HttpResponse:
        """Do it; where the verb asks, only what its page answered."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        processor = self.find(request, pk, Processor.objects.all())
        if not request.user.has_perm(control.OPERATE):
            raise PermissionDenied
        back = way_back(request, processor.get_absolute_url())
        if must_ask(request, verb):
            carried = [("seen", request.POST.get("seen", "")), ("next", back)]
            about = f"{verb.label}: {processor}"
            processor.current_run = looks.active_runs([processor], request).get(processor.pk)
            return ask(self, request, verb, about, carried, back=back, processor=processor)
        say(request, lambda: verb.act(processor.pk, act_of(request), **details(request, verb)))
        return redirect(back)

    def force_stop_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Its own page: what it does, the name to type, the button."""
        processor = self.find(request, pk, Processor.objects.all())
        if not request.user.has_perm(FORCE_STOP):
            raise PermissionDenied
        if request.method == "POST":
            typed = request.POST.get("typed_name", "").strip()
            act = lambda: force_stop(  # noqa: E731
                processor.pk, act_of(request), typed_name=typed
            )
            if say(request, act):
                return redirect(processor)
            return redirect("admin:processors_processor_force-stop", processor.pk)
        run = looks.active_runs([processor], request).get(processor.pk)
        processor.current_run = run
        button = Button(Verb("force-stop", _("Force stop"), control.stop), processor)
        return self.page(
            request,
            "admin/processors/processor/force_stop.html",
            _("Force stop: %(name)s") % {"name": processor},
            processor=processor,
            run=run,
            why=looks.whys([processor], [run], request)[processor.pk] if run else "",
            button=button,
        )


# Many at once

Chosen = TypeVar("Chosen", bound=Model)


def act_on_all(
    request: HttpRequest, chosen: Sequence[Chosen], act: Callable[[Chosen, Act], object], done: Any
) -> None:
    """One act each; one message with how many were `done`, and who was left out and why.

    Of more than BULK_CEILING the rest is left alone, and that is said.
    """
    rows, refused = chosen[:BULK_CEILING], []
    for row in rows:
        try:
            act(row, by_user(user_of(request), reason_of(request)))
        except (Refused, Processor.DoesNotExist) as error:
            refused.append(str(error))
    if count := len(rows) - len(refused):
        facts = {"done": done, "count": count, "total": len(rows)}
        messages.success(request, _("%(done)s: %(count)s of %(total)s.") % facts)
    if refused:
        messages.warning(request, _("Not done: %(why)s") % {"why": " ".join(refused)})
    if len(chosen) > len(rows):
        most = {"most": BULK_CEILING}
        messages.warning(request, _("At most %(most)s at once: choose the others again.") % most)


def bulk_action(verb: Verb) -> Callable[[Acts, HttpRequest, Any], HttpResponse]:
    """The entry of the list's action menu for a verb."""

    def action(self: Acts, request: HttpRequest, queryset: Any) -> HttpResponse:
        if not request.user.has_perm(control.OPERATE):
            raise PermissionDenied
        chosen = list(queryset[: BULK_CEILING + 1])
        if must_ask(request, verb):
            return ask_about_all(self, request, verb, chosen)
        try:
            how = details(request, verb)
        except Refused as error:
            messages.error(request, str(error))
        else:
            act_on_all(request, chosen, lambda one, act: verb.act(one.pk, act, **how), verb.done)
        return redirect(way_back(request, request.get_full_path()))

    action.__name__ = f"{verb.name.replace('-', '_')}_selected"
    action.short_description = verb.caption  # type: ignore[attr-defined]
    action.allowed_permissions = ("operate",)  # type: ignore[attr-defined]
    return action


# Asking first


def must_ask(request: HttpRequest, verb: Verb) -> bool:
    """Whether the page that asks comes before the act; a reason that came along is no answer."""
    return verb.asks and "confirmed" not in request.POST


def ask(
    admin: OurAdmin,
    request: HttpRequest,
    verb: Verb,
    title: str,
    carried: Sequence[tuple[str, object]],
    **context: Any,
) -> HttpResponse:
    """The page between a click and the act: what it does, why, and of a pause until when.

    It sends `carried` on to the same address.
    """
    asked = {
        "verb": verb,
        "carried": carried,
        "reason": reason_of(request),
        **(pause_ends(request) if verb.name == "pause" else {}),
    }
    template = "admin/processors/processor/confirm.html"
    return admin.page(request, template, title, **asked, **context)


def pause_ends(request: HttpRequest) -> dict[str, Any]:
    """What a page offers as the end of a pause; the times as a date and time field writes them."""
    now = timezone.localtime(asking.now(request))
    return {
        "pauses": PAUSES,
        "soonest": f"{now + timedelta(minutes=1):%Y-%m-%dT%H:%M}",
        "latest": f"{now + control.LONGEST_PAUSE:%Y-%m-%dT%H:%M}",
        "zone": timezone.get_current_timezone_name(),
    }


def ask_about_all(
    admin: OurAdmin, request: HttpRequest, verb: Verb, chosen: Sequence[Model]
) -> HttpResponse:
    """The same for rows that were chosen in a list.

    It goes to the list without its filters: a row that moves meanwhile is still a chosen one.
    """
    back = request.get_full_path()
    rows = [("_selected_action", row.pk) for row in chosen]
    carried = [("action", request.POST.get("action", "")), ("next", back), *rows]
    title = _("%(verb)s: %(count)s chosen") % {"verb": verb.label, "count": len(chosen)}
    return ask(admin, request, verb, title, carried, back=back, chosen=chosen)


def details(request: HttpRequest, verb: Verb) -> dict[str, Any]:
    """What an act is told beyond its reason: a pause, when it ends. Raises Refused."""
    return {"until": end_of_pause(request)} if verb.name == "pause" else {}


def end_of_pause(request: HttpRequest) -> datetime | None:
    """When a pause ends by itself, as the page asked; None for never. Raises Refused."""
    typed, length = request.POST.get("until", "").strip(), request.POST.get("length", "")
    if typed:
        return local_time(typed)
    seconds = int(length) if length in map(str, PAUSES) else 0
    return database_now() + timedelta(seconds=seconds) if seconds else None


def local_time(typed: str) -> datetime:
    """What a date and time field sends, in the zone beside it. Raises Refused."""
    try:
        return timezone.make_aware(datetime.fromisoformat(typed))
    except ValueError as error:
        raise Refused(
            _("Nothing was paused: “%(typed)s” is no date and time.") % {"typed": typed[:40]}
        ) from error


def reason_of(request: HttpRequest) -> str:
    """The reason typed beside the buttons, the action menu, or on the page that asks."""
    return str(request.POST.get("reason", ""))


def say(request: HttpRequest, act: Callable[[], str]) -> bool:
    """Act and tell the outcome; whether it was done."""
    try:
        message = act()
    except (Refused, OldPage) as error:
        messages.error(request, str(error))
        return False
    messages.success(request, message)
    return True


def way_back(request: HttpRequest, otherwise: str) -> str:
    """The page the click came from, if it is one of ours."""
    given = request.POST.get("next", "")
    if given.startswith("/") and url_has_allowed_host_and_scheme(given, allowed_hosts=None):
        return given
    return otherwise
