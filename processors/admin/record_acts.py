"""Retry, discard and the like: on one record, on those of a page, on all that a filter finds.

Many records are named by a `Selection`, shown with their number on a page that asks, and moved in
the request up to AT_ONCE; above that by workers in the background, with a page of its own.
"""

from collections.abc import Iterable
from typing import Any

from django.contrib import messages
from django.core import signing
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, QueryDict
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from processors import bulk, dead_letters
from processors.acts import Refused, by_user
from processors.admin import columns
from processors.admin.acts import reason_of, say, way_back
from processors.admin.base import HistoryAdmin, user_of
from processors.admin.filters import whole
from processors.admin.record_filters import SPANS
from processors.clock import database_now
from processors.models import Processor, Record, Run
from processors.querysets import Person
from processors.selection import Selection
from processors.sources.fingerprints import normalised
from processors.states import NEEDS_ATTENTION
from processors.wording import number

AT_ONCE = 500  # records that a request moves itself
COUNTED = 100_000  # records that a question counts
SAMPLES = 5
HINTS = 3  # processors whose hint is told
SALT = "processors.selection"
DAY_SECONDS = 86_400


class RecordActs(HistoryAdmin):
    """The part of the records' admin that acts."""

    def act_urls(self) -> list[URLPattern]:
        """One address per verb for one record, and one for many."""
        wrap = self.admin_site.admin_view
        ones = [
            path(f"<int:pk>/{what}/", wrap(self.one_view), {"what": what},
                 name=f"processors_record_{what}")
            for what in (*dead_letters.TREATMENTS, "reprocess")
        ]  # fmt: skip
        many = path("many/<slug:what>/", wrap(self.many_view), name="processors_record_many")
        return [*ones, many]

    def has_manage_permission(self, request: HttpRequest) -> bool:
        """Whether acts on failed records are offered."""
        return request.user.has_perm(dead_letters.MANAGE_DEAD)

    # One

    def one_view(self, request: HttpRequest, pk: int, what: str) -> HttpResponse:
        """Do it to one record; ask before one that failed is given up."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        record = self.find(request, pk, Record.objects.select_related("processor"))
        right = dead_letters.REPROCESS if what == "reprocess" else dead_letters.MANAGE_DEAD
        if not request.user.has_perm(right):
            raise PermissionDenied
        back = way_back(request, reverse("admin:processors_record_change", args=[record.pk]))
        is_open = record.state in NEEDS_ATTENTION
        if what == "discard" and is_open and "confirmed" not in request.POST:
            return self.ask(request, Selection(ids=(record.pk,)), what, only=record, back=back)
        act = by_user(user_of(request), reason_of(request))
        if what == "reprocess":
            say(request, lambda: dead_letters.reprocess(record, act))
        else:
            say(request, lambda: dead_letters.treat_record(what, record, act))
        return redirect(back)

    # Many

    def treat(self, request: HttpRequest, queryset: QuerySet[Any], what: str) -> HttpResponse:
        """From the list's menu: the ticked rows, or all that its filters find."""
        if not self.has_manage_permission(request):
            raise PermissionDenied
        across = request.POST.get("select_across") == "1"
        given = request.GET
        if across and not given.get("q") and not given.get("attempts"):
            return self.ask(request, selection_of(given), what)
        ids = queryset.order_by().values_list("pk", flat=True)[:COUNTED]
        return self.ask(request, Selection(ids=tuple(ids)), what)

    def many_view(self, request: HttpRequest, what: str) -> HttpResponse:
        """Ask; once that was answered, do it now or in the background."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (self.has_view_permission(request) and self.has_manage_permission(request)):
            raise PermissionDenied
        if what not in dead_letters.TREATMENTS:
            raise Http404
        if "confirmed" not in request.POST:
            return self.ask(request, selection_of(request.GET), what)
        return self.go(request, unsigned(request.POST.get("selection", "")), what)

    def go(self, request: HttpRequest, selection: Selection, what: str) -> HttpResponse:
        """The act itself."""
        act = by_user(user_of(request), reason_of(request))
        count = counted(selection, request)
        back = way_back(request, reverse("admin:processors_record_changelist"))
        try:
            if count > AT_ONCE:
                words = ", ".join(words_of(selection, request.user))
                return redirect(bulk.begin(what, selection, words, count, act))
            owners = owners_of(selection, request) if what == "retry" else []
            moved = dead_letters.treat(what, selection, act)
        except (Refused, Processor.DoesNotExist) as error:
            messages.error(request, str(error))
        else:
            chosen = len(selection.ids) or count
            said = told(what, moved, max(moved, chosen))
            messages.success(request, with_hints(said, owners if moved else []))
        return redirect(back)

    def ask(
        self,
        request: HttpRequest,
        selection: Selection,
        what: str,
        *,
        only: Record | None = None,
        back: str = "",
    ) -> HttpResponse:
        """The page between the menu and the act: how many, which, and a note.

        Asked from the page of `only` one, to be given up, it leads to that record's own act.
        """
        count = counted(selection, request)
        rows = selection.rows().visible_to(request.user).order_by("-failed_at", "-id")
        context = {
            "what": what,
            "only": only,
            "address": request.path
            if only
            else reverse("admin:processors_record_many", args=[what]),
            "n": count,
            "count": columns.capped(count, COUNTED),
            "words": words_of(selection, request.user),
            "left": max(0, len(selection.ids) - count),
            "selection": signing.dumps(selection.as_json(), salt=SALT),
            "back": back
            or way_back(request, request.get_full_path() if not count else "")
            or reverse("admin:processors_record_changelist"),
            "samples": rows.defer("payload", "result")[:SAMPLES],
            "in_background": count > AT_ONCE,
            "reason": reason_of(request),
            "at_once": number(AT_ONCE),
        }
        title = _("Discard %(key)s") % {"key": only.key[:60]} if only else titles()[what]
        return self.page(request, "admin/processors/record/confirm.html", title, **context)


def titles() -> dict[str, str]:
    """What the page that asks is called, and its button."""
    return {
        "retry": _("Retry records"),
        "discard": _("Discard records"),
        "settle": _("Mark records as done"),
    }


def counted(selection: Selection, request: HttpRequest) -> int:
    """How many failed records it means, up to COUNTED."""
    rows = selection.rows().visible_to(request.user).order_by()
    return rows[:COUNTED].count()


def unsigned(text: str) -> Selection:
    """The selection that a page asked about. Raises BadRequest for one that we did not make."""
    try:
        return Selection.from_json(signing.loads(text, salt=SALT, max_age=DAY_SECONDS))
    except signing.BadSignature as error:
        raise BadRequest(_("This page is too old: choose the records again.")) from error


def selection_of(given: QueryDict) -> Selection:
    """What the filters in an address mean."""
    span = SPANS.get(given.get("failed", ""))
    state = given.get("state", "")
    return Selection(
        fingerprint=given.get("error", "")[:32],
        since=database_now() - span if span else None,
        processor_id=whole(given.get("processor")),
        run_id=whole(given.get("run")),
        state=state if state in NEEDS_ATTENTION else "",
    )


def words_of(selection: Selection, person: Person) -> list[str]:
    """A selection as people read it, with no name that this person may not know."""
    words = []
    if selection.processor_id is not None:
        visible = Processor.objects.visible_to(person)
        owner = visible.filter(pk=selection.processor_id).first()
        words.append(_("processor %(name)s") % {"name": owner or "?"})
    if selection.fingerprint:
        words.append(_("error %(error)s") % {"error": error_words(selection, person)})
    if selection.state:
        words.append(_("state %(state)s") % {"state": selection.state})
    if selection.since:
        words.append(_("failed since %(at)s") % {"at": columns.exactly(selection.since)})
    if selection.run_id is not None:
        runs = Run.objects.visible_to(person).filter(pk=selection.run_id)
        run = runs.select_related("processor").first()
        words.append(_("tried in run %(run)s") % {"run": run or "?"})
    if selection.ids:
        words.append(_("chosen one by one"))
    return words or [_("all that need attention")]


def error_words(selection: Selection, person: Person) -> str:
    """The kind of an error, from its newest record that the person may see."""
    sample = selection.rows().visible_to(person).order_by("-failed_at", "-id").first()
    if sample is None:
        return selection.fingerprint[:8]
    kind = sample.error_type or _("No error type")
    return f"{kind}: {normalised(sample.last_error)[:120].rstrip('.')}"


def told(what: str, moved: int, chosen: int) -> str:
    """What was done, and that others were left alone."""
    texts = {
        "retry": ngettext(
            "%(count)s record is tried again.", "%(count)s records are tried again.", moved
        ),
        "discard": ngettext(
            "%(count)s record was discarded.", "%(count)s records were discarded.", moved
        ),
        "settle": ngettext(
            "%(count)s record was marked as done.", "%(count)s records were marked as done.", moved
        ),
    }
    text = texts[what] % {"count": number(moved)}
    others = chosen - moved
    if not others:
        return text
    left = ngettext(
        "%(count)s was not failed and was left alone.",
        "%(count)s were not failed and were left alone.",
        others,
    )
    return f"{text} {left % {'count': number(others)}}"


def owners_of(selection: Selection, request: HttpRequest) -> list[Processor]:
    """The processors of so few failed records that they are treated at once."""
    rows = selection.rows().visible_to(request.user).order_by()
    owners = set(rows.values_list("processor_id", flat=True)[:AT_ONCE])
    return list(Processor.objects.filter(pk__in=owners))


def with_hints(said: str, owners: Iterable[Processor]) -> str:
    """What was done; who must act before it goes on, with the way to where that is done."""
    links = format_html_join("", ' <a href="{}">{}</a>', hints_of(owners))
    return format_html("{}{}", said, links)


def hints_of(owners: Iterable[Processor]) -> list[tuple[str, str]]:
    """What must be started or resumed before retried records go on: its page, and a sentence."""
    hints = [(one, hint) for one in owners if (hint := dead_letters.what_it_waits_for(one))]
    return [(one.get_absolute_url(), hint.strip()) for one, hint in hints[:HINTS]]
