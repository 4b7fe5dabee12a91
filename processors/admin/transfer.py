"""Definitions out of the admin and into it, as the JSON of `processor dump` and `load`."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from processors import loading
from processors.acts import by_user
from processors.admin.base import OurAdmin, user_of
from processors.admin.columns import as_json
from processors.definitions import dump
from processors.loading import NotLoaded
from processors.models import Processor

LARGEST_BYTES = 1_000_000


class Transfer(OurAdmin):
    """The part of the processors' admin that exports and imports."""

    def transfer_urls(self) -> list[URLPattern]:
        """Out: all, or one. In."""
        wrap, name = self.admin_site.admin_view, "processors_processor"
        return [
            path("export/", wrap(self.export_all_view), name=f"{name}_export-all"),
            path("<int:pk>/export/", wrap(self.export_view), name=f"{name}_export"),
            path("import/", wrap(self.import_view), name=f"{name}_import"),
        ]

    def export_all_view(self, request: HttpRequest) -> HttpResponse:
        """Every processor that this person may know of, as a list."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        rows = Processor.objects.visible_to(user_of(request)).order_by("slug")
        return as_file([dump(processor) for processor in rows], "processors.json")

    def export_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One definition, as an object."""
        processor: Processor = self.find(request, pk, Processor.objects.all())
        return as_file(dump(processor), f"{processor.slug}.json")

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """First what would change; then, with the same text, the change."""
        if not (self.has_add_permission(request) or self.has_change_permission(request)):
            raise PermissionDenied
        context: dict[str, Any] = {}
        if request.method == "POST":
            context = looked_through(request)
            if context.get("is_saved"):
                return redirect("admin:processors_processor_changelist")
        title = _("Import processors")
        return self.page(request, "admin/processors/processor/import.html", title, **context)


def as_file(value: object, name: str) -> HttpResponse:
    """JSON to keep."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(f"{as_json(value)}\n", "application/json; charset=utf-8", headers=headers)


def looked_through(request: HttpRequest) -> dict[str, Any]:
    """The text, and what it would change, or what is wrong with it; saved where that was asked."""
    reason = request.POST.get("reason", "")
    act = by_user(user_of(request), reason)
    context: dict[str, Any] = {"text": request.POST.get("text", ""), "reason": reason}
    try:
        context["text"], name = given(request)
        definitions = loading.parse_definitions(context["text"], name)
        if "_save" in request.POST:
            loaded = loading.load(definitions, act, seen=request.POST.get("seen", ""))
            messages.success(request, outcome(loaded))
            return {"is_saved": True}
        planned = loading.plan(definitions, act)
        return context | {"planned": planned, "seen": loading.fingerprint(planned)}
    except NotLoaded as error:
        return context | {"problems": str(error).splitlines()}


def given(request: HttpRequest) -> tuple[str, str]:
    """The text of a file, or what was typed, and its name. Raises NotLoaded."""
    file = request.FILES.get("file")
    if file is None:
        text = request.POST.get("text", "")
        if not text.strip():
            raise NotLoaded(_("Choose a file, or paste its text."))
        return text, _("The text")
    if file.size is None or file.size > LARGEST_BYTES:
        raise NotLoaded(
            _("%(name)s is too large: a file of definitions has at most 1,000,000 bytes.")
            % {"name": file.name}
        )
    try:
        return file.read().decode("utf-8-sig"), str(file.name)
    except UnicodeDecodeError as error:
        raise NotLoaded(
            _("%(name)s is not UTF-8: send UTF-8. Nothing was loaded.") % {"name": file.name}
        ) from error


def outcome(loaded: list[loading.Loaded]) -> str:
    """`Imported: 1 created, 2 changed, 0 unchanged.`"""
    count = dict.fromkeys(("created", "changed", "unchanged"), 0)
    for one in loaded:
        count[one.outcome] += 1
    words = _("Imported: %(created)s created, %(changed)s changed, %(unchanged)s unchanged.")
    return words % count
