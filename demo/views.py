"""A registration page that hands its work to a processor and shows what becomes of it."""

from typing import Any
from uuid import UUID, uuid4

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

import processors
from demo.forms import RegistrationForm
from demo.progress import describe

PROCESSOR = "registrations"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def register(request: HttpRequest) -> HttpResponse:
    """Show the form; take what it sends and answer at once, whatever the workers do."""
    if request.method != "POST":
        return render(request, "demo/register.html", {"form": RegistrationForm(), "key": uuid4()})
    form, key = RegistrationForm(request.POST), sent_key(request)
    if not form.is_valid():
        return render(request, "demo/register.html", {"form": form, "key": key})
    try:
        key = hand_over(key, form.cleaned_data)
    except processors.UnknownTarget:
        return unavailable(request)
    return redirect("demo:registration", key)


def sent_key(request: HttpRequest) -> UUID:
    """The key that the form carried, so that sending it twice registers once."""
    try:
        return UUID(request.POST.get("key", ""))
    except ValueError:
        return uuid4()


def hand_over(key: UUID, payload: dict[str, Any]) -> UUID:
    """Publish under this key, or a new one where the form was changed and sent again."""
    try:
        processors.publish(PROCESSOR, [{"key": str(key), "payload": payload}])
    except processors.KeyTaken:
        key = uuid4()
        processors.publish(PROCESSOR, [{"key": str(key), "payload": payload}])
    return key


def unavailable(request: HttpRequest) -> HttpResponse:
    return render(request, "demo/unavailable.html", {"processor": PROCESSOR}, status=503)


@never_cache
@require_safe
def registration(request: HttpRequest, key: UUID) -> HttpResponse:
    """Where a registration is; whoever knows its key may look."""
    try:
        record = processors.find_record(PROCESSOR, str(key))
    except processors.UnknownTarget:
        return unavailable(request)
    if record is None:
        raise Http404(f"There is no registration {key}.")
    progress = describe(record, timezone.now())
    content = {"record": record, "progress": progress, "key": key}
    return render(request, "demo/registration.html", content)
