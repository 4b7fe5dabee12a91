"""Acts on many failed records in the background: their page, and what other pages say of them."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from processors import dead_letters
from processors.admin import asking, live, looks
from processors.admin.base import page
from processors.admin.record_acts import hints_of, titles
from processors.models import BulkAct, Processor, Run
from processors.queues import ACTS_QUEUE
from processors.selection import Selection


def bulk_page(request: HttpRequest, pk: int) -> HttpResponse:
    """How far an act on many records is."""
    if not request.user.has_perm(dead_letters.MANAGE_DEAD):
        raise PermissionDenied
    found = BulkAct.objects.filter(pk=pk).first()
    if found is None or owner_of(found) in Processor.objects.hidden_from(request.user):
        raise Http404
    processors = Processor.objects.visible_to(request.user).in_bulk(list(map(int, found.moved)))
    context = {
        "act": found,
        "title_of": titles()[found.what],
        "share": share_of(found),
        "moved": [(one, found.moved[str(pk)]) for pk, one in processors.items()],
        "hints": hints_of(processors.values()) if found.what == "retry" else [],
        "waits": waits_words(found),
        "now": asking.now(request),
        "live_ms": 0 if found.has_ended else 2_000,
    }
    return page(request, "admin/processors/record/bulk.html", titles()[found.what], **context)


def waits_words(found: BulkAct) -> str:
    """What it waits for before it goes on; empty while it does."""
    if found.has_ended:
        return ""
    for sentence in looks.trouble([ACTS_QUEUE]):
        return sentence
    told = _("A worker of the queue “%(queue)s” does this; it begins as soon as one is free.")
    return "" if found.total else told % {"queue": ACTS_QUEUE}


def owner_of(found: BulkAct) -> int | None:
    """The one processor whose records it is about, which may be hidden; None of several."""
    selection = Selection.from_json(found.selection)
    if selection.run_id is None:
        return selection.processor_id
    return Run.objects.filter(pk=selection.run_id).values_list("processor", flat=True).first()


def share_of(found: BulkAct) -> str:
    """How much of it is done, in per cent; as text, because a comma would break a drawing."""
    if found.has_ended and not found.trouble:
        return "100"
    return f"{min(100.0, 100 * found.total / max(1, found.expected)):.0f}"


def in_background(request: HttpRequest) -> list[dict[str, Any]]:
    """Acts that go on, for the top of the records' pages."""
    if not request.user.has_perm(dead_letters.MANAGE_DEAD):
        return []
    if live.is_poll(request):
        return []
    hidden = Processor.objects.hidden_from(request.user)
    return [
        {"act": one, "title": titles()[one.what], "share": share_of(one)}
        for one in BulkAct.objects.open().order_by("-id")[:5]
        if owner_of(one) not in hidden
    ]
