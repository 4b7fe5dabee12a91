"""The page that publishes: paste or upload records, look at them, store them."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext as _

from processors import adding, control, dead_letters
from processors.acts import Refused
from processors.adding import LARGEST_BYTES, Item, NotAdded
from processors.admin.base import OurAdmin
from processors.admin.buttons import Button, OldPage, Verb, act_of
from processors.admin.columns import as_json
from processors.models import Processor

SHOWN = 3


class AddRecords(OurAdmin):
    """The part of the processors' admin that fills an inbox."""

    def add_records_urls(self) -> list[URLPattern]:
        """One page."""
        view = self.admin_site.admin_view(self.add_records_view)
        return [path("<int:pk>/add-records/", view, name="processors_processor_add-records")]

    def add_records_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """First what would be stored; then, with the same text, the storing."""
        processor: Processor = self.find(request, pk, Processor.objects.all())
        if not request.user.has_perm(adding.ADD_RECORD):
            raise PermissionDenied
        if processor.source_kind != "inbox":
            raise Http404(_("%(name)s takes its records from a table.") % {"name": processor})
        context: dict[str, Any] = {"what": "records"}
        if request.method == "POST":
            context = looked_through(request, processor)
            if context.get("is_stored"):
                return redirect(processor)
        context["button"] = Button(Verb("add-records", _("Add"), control.stop), processor)
        title = _("Add records to %(name)s") % {"name": processor}
        template = "admin/processors/processor/add_records.html"
        return self.page(request, template, title, processor=processor, **context)


def looked_through(request: HttpRequest, processor: Processor) -> dict[str, Any]:
    """What was typed, and what it would store or what is wrong with it; stored where asked."""
    typed = {name: request.POST.get(name, "") for name in ("text", "what", "key", "name", "reason")}
    context: dict[str, Any] = dict(typed)
    try:
        raw = given(request)
        context["text"] = raw.decode("utf-8-sig", "replace")
        items = items_of(processor, raw, typed)
        if "_store" in request.POST:
            told = adding.add(processor.pk, items, act_of(request))
            messages.success(request, told + dead_letters.what_it_waits_for(processor))
            return {"is_stored": True}
        published = adding.preview(processor, items)
        first = [(str(item["key"]), as_json(item["payload"])) for item in items[:SHOWN]]
        return context | {"count": len(items), "published": published, "first": first}
    except NotAdded as error:
        return context | {"problems": error.problems}
    except (Refused, OldPage) as error:
        return context | {"problems": [str(error)]}


def items_of(processor: Processor, raw: bytes, typed: dict[str, str]) -> list[Item]:
    """As the person said what it is. Raises NotAdded."""
    if typed["what"] == "document":
        key, name = typed["key"], typed["name"]
        return adding.one_document(processor.slug, raw, key=key, name=name)
    return adding.read_records(processor.slug, raw)


def given(request: HttpRequest) -> bytes:
    """What is in the file, or what was typed. Raises NotAdded."""
    file = request.FILES.get("file")
    if file is not None and (file.size is None or file.size > LARGEST_BYTES):
        raise NotAdded(too_large(str(file.name)))
    raw = file.read() if file is not None else request.POST.get("text", "").encode(errors="replace")
    if not raw.strip():
        raise NotAdded(_("Choose a file, or paste what is to be stored."))
    if len(raw) > LARGEST_BYTES:
        raise NotAdded(too_large(_("The text")))
    return raw


def too_large(name: str) -> str:
    """What to do instead."""
    return _(
        "%(name)s is too large for a page, which takes 2,000,000 bytes: use "
        "“manage.py publish”, which takes any number of records."
    ) % {"name": name}
