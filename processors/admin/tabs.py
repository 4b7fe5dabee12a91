"""A list's tabs: one for each state, with how many rows of the same search and filters it holds."""

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _

from processors.wording import number

COUNT_CAP = 10_000  # rows of a whole table that are counted; filters reach the others
FILTERED_CAP = 1_000  # the same of a filtered one, where rows must be looked at to be counted
ESTIMATED = 100_000  # from here on the database's own estimate is said

Rows = QuerySet[Any]


class StateTabs(admin.SimpleListFilter):
    """A filter that is shown as tabs: `narrow` says what each of its values means."""

    is_tabs = True

    def narrow(self, rows: Rows, value: str) -> Rows:
        """The rows of one tab."""
        raise NotImplementedError

    def queryset(self, request: HttpRequest, queryset: Rows) -> Rows:
        value = self.value()
        return self.narrow(queryset, value) if value else queryset


@dataclass(frozen=True)
class Tab:
    """A link with its count."""

    word: Any
    url: str
    count: str
    is_here: bool


def tabs_of(changelist: ChangeList, request: HttpRequest) -> list[Tab]:
    """All, then each value; empty for a list without such a filter."""
    found = [spec for spec in changelist.filter_specs if isinstance(spec, StateTabs)]
    if not found:
        return []
    spec = found[0]
    name = str(spec.parameter_name)
    everything = changelist.get_queryset(request, exclude_parameters=[name]).order_by()
    here = spec.value()
    url = changelist.get_query_string
    known = changelist.result_count if here is None else None  # the paginator has counted them
    first = Tab(_("All"), url({name: None}), counted(everything, known), here is None)
    return [first] + [
        Tab(word, url({name: value}), counted(spec.narrow(everything, value)), here == value)
        for value, word in spec.lookup_choices
    ]


def cap_of(rows: Rows) -> int:
    """How far these rows are counted."""
    return FILTERED_CAP if rows.query.where else COUNT_CAP


def counted(rows: Rows, known: int | None = None) -> str:
    """How many there are, up to their cap; beyond it, of a whole table, about how many.

    `known`: the same count, where somebody made it.
    """
    cap = cap_of(rows)
    count = rows[:cap].count() if known is None else known
    if count < cap:
        return number(count)
    about = 0 if rows.query.where else estimate(rows)
    return _("about %(count)s") % {"count": number(about)} if about else f"{number(cap)}+"


def estimate(rows: Rows) -> int:
    """What the database believes the whole table holds, in two digits; 0 where it cannot say."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        table = rows.model._meta.db_table  # noqa: SLF001 - public in Django
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [table])
        found = int(cursor.fetchone()[0])
    if found < ESTIMATED:
        return 0
    unit: int = 10 ** (len(str(found)) - 2)
    return round(found / unit) * unit
