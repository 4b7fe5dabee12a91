"""What our pages of the admin share: lists that stay flat on huge tables, and read-only history."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import BadRequest, PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processors.admin import columns, live
from processors.admin.tabs import cap_of, tabs_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin

SEARCH_LENGTH = 200
LIVE_MS = 2_000
LONGEST_ID = 19  # digits; with fewer of them a number fits into any database's
NEWS_CAP = 100
VIEW_LOG = "admin.view_logentry"


def page(request: HttpRequest, template: str, title: object, **context: Any) -> HttpResponse:
    """A page in the admin's frame; its regions alone for live.js."""
    if live.is_poll(request):
        return live.answer(request, template, {"title": title, **context})
    frame = {**admin.site.each_context(request), "title": title}
    return TemplateResponse(request, template, {**frame, **context})


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than a cap, so that a page costs the same on any table."""

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.order_by()[: cap_of(rows)].count()


class OurList(ChangeList):
    """Rows that know how to narrow their list to what one of their cells says."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list = list(self.result_list)
        for row in self.result_list:
            row.narrowed = self.narrowed

    def narrowed(self, name: str, value: object) -> str:
        """The address of this list with one more filter; empty where that is on already."""
        is_on = self.filter_params.get(name) == [str(value)]
        return "" if is_on else self.get_query_string({name: str(value)})


class OwnFilters(ModelAdmin):
    """A list that is narrowed by its filters alone: nobody makes up conditions in an address."""

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Whether it is one of the filters; where the stock one names a row, by a number."""
        own = [getattr(each, "parameter_name", None) for each in self.list_filter]
        if lookup in own:
            return True  # it judges its value by itself
        field, _joint, way = lookup.partition("__")
        if field not in self.list_filter or way not in ("", "exact", "id__exact", "isnull"):
            return False
        is_row = way == "id__exact" or (way == "" and field in self.to_others())
        return not is_row or is_id(value)

    def to_others(self) -> set[str]:
        """The fields that name rows of other tables."""
        return {field.name for field in self.opts.get_fields() if field.is_relation}


class OurAdmin(OwnFilters):
    """A list and a page with templates of our own."""

    change_list_template = "admin/list.html"
    show_full_result_count = False
    paginator = CappedPaginator
    list_per_page = 50
    list_max_show_all = 0
    sortable_by = ()
    list_title: Any = ""
    empty_text: Any = ""
    search_text: Any = ""
    live_ms = 0
    live_columns: tuple[str, ...] = ()
    announces_new = False
    exports = False  # as CSV: see export
    as_cards = False  # on a small screen each row becomes a card

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list under its own name."""
        refuse_odd_search(request)
        own = {
            "title": self.list_title,
            "empty_text": self.empty_text,
            "search_text": self.search_text,
            "live_ms": self.live_ms,
            "as_cards": self.as_cards,
            "exports": self.exports,
        }
        found = super().changelist_view(request, {**own, **(extra_context or {})})
        context = getattr(found, "context_data", None)
        if not context or "cl" not in context:
            return found
        if live.is_poll(request):
            return live.answer(request, "admin/list.html", context)
        context.setdefault("tabs", tabs_of(context["cl"], request))
        context["cl"].count_cap = cap_of(context["cl"].queryset)  # all that its paginator sees
        context["newest_shown"] = self.newest_of(context["cl"])
        return found

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return OurList

    def newest_of(self, changelist: ChangeList) -> int | None:
        """The newest row on a first page that says how many rows are newer than it."""
        rows = list(changelist.result_list)
        if not self.announces_new or changelist.page_num > 1:
            return None
        return max((row.pk for row in rows), default=0)

    def live_cells(self, request: HttpRequest, changelist: ChangeList) -> Iterator[SafeString]:
        """The regions of the rows that may have changed; then how many rows are newer."""
        for row in self.moving(request, changelist.result_list):
            for name in self.live_columns:
                yield getattr(self, name)(row)
        newest = live.newest_shown(request)
        if self.announces_new and newest is not None:
            newer = changelist.queryset.filter(pk__gt=newest).order_by()  # few by nature
            yield live.news(newer[:NEWS_CAP].count(), NEWS_CAP)

    def moving(self, request: HttpRequest, rows: Iterable[Any]) -> Iterable[Any]:
        """Of a list's rows those that can have changed since the page was made."""
        return rows

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Nothing of processors that this person may not know of."""
        return super().get_queryset(request).visible_to(request.user)  # type: ignore[attr-defined,no-any-return]

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Ours only: Django's deletion in bulk goes past what a processor's history protects."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def find(self, request: HttpRequest, pk: object, queryset: QuerySet[Any]) -> Any:
        """The row, for who may see it. Raises Http404, PermissionDenied."""
        try:
            found = queryset.visible_to(request.user).get(pk=pk)  # type: ignore[attr-defined]
        except (self.model.DoesNotExist, ValueError, OverflowError) as error:
            raise Http404(_("There is nothing with the number %(pk)s.") % {"pk": pk}) from error
        if not self.has_view_permission(request, found):
            raise PermissionDenied
        return found

    def page(
        self, request: HttpRequest, template: str, title: object, **context: Any
    ) -> HttpResponse:
        """One of our pages about a model."""
        about = {"opts": self.opts, "list_title": self.list_title}
        return page(request, template, title, **about, **context)

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Django's log of one row: for who may read logs."""
        self.find(request, object_id, self.model._default_manager.all())  # noqa: SLF001
        if not request.user.has_perm(VIEW_LOG):
            raise PermissionDenied
        return super().history_view(request, object_id, extra_context)


class HistoryAdmin(OurAdmin):
    """What the machine writes: seen, never added, changed or deleted."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @admin.display(description=gettext_lazy("Processor"))
    def processor_shown(self, row: Any) -> SafeString:
        """Whose it is, and a way to what else is."""
        processor = row.processor
        link = columns.link(processor.get_absolute_url(), processor.name)
        only = columns.narrowing(row, "processor", processor.pk, processor.name)
        return format_html("{}{}", link, only)


def is_id(text: str) -> bool:
    """Whether a row can have it as its number."""
    return text.isdecimal() and len(text) < LONGEST_ID


def refuse_odd_search(request: HttpRequest) -> None:
    """A search that no list can mean."""
    query = request.GET.get("q", "")
    if len(query) > SEARCH_LENGTH:
        raise BadRequest(
            _("A search has at most %(longest)s characters.") % {"longest": SEARCH_LENGTH}
        )


def refuse_doubles(request: HttpRequest) -> None:
    """A field that comes twice means two things. Raises BadRequest."""
    for name, values in request.POST.lists():
        if len(values) > 1:
            raise BadRequest(
                _("The field %(name)r was sent %(count)s times.")
                % {"name": name[:80], "count": len(values)}
            )


def user_of(request: HttpRequest) -> "User":
    """Who is signed in; the admin's views have made sure that somebody is."""
    user: User = request.user  # type: ignore[assignment]
    return user
