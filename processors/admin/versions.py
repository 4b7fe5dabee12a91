"""What a definition said over time: its versions, what they say differently, and the way back."""

from itertools import pairwise
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from processors import editing
from processors.acts import by_user
from processors.admin.base import OurAdmin, user_of
from processors.admin.columns import as_json
from processors.definitions import InvalidDefinition, clean, differences, digest, dump
from processors.models import Processor, Version

SHOWN = 50
COMPARABLE = 100
NOW = "now"


class Versions(OurAdmin):
    """The part of the processors' admin that tells what definitions were."""

    def version_urls(self) -> list[URLPattern]:
        """The list, one of them, and the way back to it."""
        wrap, name = self.admin_site.admin_view, "processors_processor_version"
        one = "<int:pk>/versions/<int:number>/"
        return [
            path("<int:pk>/versions/", wrap(self.versions_view), name=f"{name}s"),
            path(one, wrap(self.version_view), name=name),
            path(f"{one}revert/", wrap(self.revert_view), name=f"{name}_revert"),
        ]

    def versions_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The newest ones, each with what it changed."""
        processor: Processor = self.find(request, pk, Processor.objects.all())
        rows = Version.objects.filter(processor=processor)
        before = request.GET.get("before", "")
        if before.isdecimal() and len(before) < 10:
            rows = rows.filter(number__lt=int(before))
        found = with_changes(list(rows[: SHOWN + 1]))
        return self.page(
            request,
            "admin/processors/processor/versions.html",
            _("Versions of %(name)s") % {"name": processor},
            processor=processor,
            versions=found[:SHOWN],
            older=found[SHOWN - 1].number if len(found) > SHOWN else None,
        )

    def version_view(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        """One version beside another one, and what going back to it would change."""
        processor: Processor = self.find(request, pk, Processor.objects.all())
        version = find_version(processor, number)
        now = dump(processor)
        other, definition = chosen(request.GET.get("with", ""), version, now)
        context = {
            "processor": processor,
            "version": version,
            "others": Version.objects.filter(processor=processor).exclude(pk=version.pk)[
                :COMPARABLE
            ],
            "other": other,
            "differences": differences(definition, version.definition),
            "way_back": differences(now, version.definition),
            "may_change": self.has_change_permission(request, processor),
            "seen": digest(processor),
            "written": as_json(version.definition),
        }
        title = _("Version %(number)s of %(name)s") % {"number": number, "name": processor}
        return self.page(request, "admin/processors/processor/version.html", title, **context)

    def revert_view(self, request: HttpRequest, pk: int, number: int) -> HttpResponse:
        """Write what a version says, as any edit: judged, and only over what the person saw."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        processor: Processor = self.find(request, pk, Processor.objects.all())
        if not self.has_change_permission(request, processor):
            raise PermissionDenied
        version = find_version(processor, number)
        problems = revert(request, processor, version)
        for problem in problems:
            messages.error(request, problem)
        return redirect(version if problems else processor)


def with_changes(versions: list[Any]) -> list[Any]:
    """Each version, newest first, with what it says differently from the one before."""
    for version, before in pairwise(versions):
        told = differences(before.definition, version.definition)
        version.changes = [str(difference) for difference in told]
    return versions


def find_version(processor: Processor, number: int) -> Version:
    """Raises Http404."""
    found: Version | None = Version.objects.filter(processor=processor, number=number).first()
    if found is None:
        raise Http404(_("There is no version %(number)s.") % {"number": number})
    return found


def chosen(with_: str, version: Version, now: dict[str, Any]) -> tuple[int | str, dict[str, Any]]:
    """What to compare a version with: its number, or NOW, and what it says.

    Else the one before; of the first that is kept, what holds now.
    """
    if with_ == NOW:
        return NOW, now
    rows = Version.objects.filter(processor_id=version.processor_id)
    if with_.isdecimal() and len(with_) < 10:
        other = rows.filter(number=int(with_)).first()
    else:
        other = rows.filter(number__lt=version.number).newest()
    return (other.number, other.definition) if other else (NOW, now)


def revert(request: HttpRequest, processor: Processor, version: Version) -> list[str]:
    """What keeps a processor from what a version says; nothing where it was written."""
    reason = request.POST.get("reason", "").strip()
    words = _("back to version %(number)s") % {"number": version.number}
    act = by_user(user_of(request), f"{words}: {reason}" if reason else words)
    seen = request.POST.get("seen", "")
    try:
        columns = clean(version.definition, existing=processor)
        fits = lambda stored: digest(stored) == seen  # noqa: E731
        editing.change(processor.pk, columns, act, fits=fits, action="revert")
    except InvalidDefinition as error:
        return [f"{at}: {text}" for at, found in error.errors.items() for text in found]
    except editing.ChangedMeanwhile:
        return [_("%(name)s was changed meanwhile; nothing was saved. Look again, then decide.")
                % {"name": processor}]  # fmt: skip
    except IntegrityError:
        return [_("A processor with this slug was saved in this moment; nothing was changed.")]
    done = _("%(name)s says again what version %(number)s said.")
    messages.success(request, done % {"name": processor, "number": version.number})
    return []
