"""A list as a CSV file: the rows that its search and filters leave, for who may see them.

The file is written while it is read from the database, a few hundred rows at a time, so it costs
no memory; it ends after MOST rows and then says so. A text that a spreadsheet would take for a
formula begins with an apostrophe there.
"""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.translation import gettext as _

from processors.admin.base import OurAdmin, refuse_odd_search
from processors.wording import number

MOST = 50_000  # rows of a file
STEP = 500  # rows that are read at once
FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # noqa: RUF001 - wide ones too

Column = tuple[Any, Callable[[Any], object]]
"""The head of a column, and how its value is read off a row."""


class Line:
    """A file for csv.writer that hands each line on instead of keeping it."""

    def write(self, line: str) -> str:
        return line


class Exports(OurAdmin):
    """A list that can be taken away; `export_columns` says what of it."""

    exports = True
    export_related: tuple[str, ...] = ("processor",)

    def export_columns(self, request: HttpRequest) -> Sequence[Column]:
        """What a file shows of a row to this person."""
        raise NotImplementedError

    def export_rows(self) -> QuerySet[Any]:
        """Where rows are read from once the list has said which; whole, not deferred."""
        rows: QuerySet[Any] = self.model._default_manager.all()  # noqa: SLF001
        return rows.select_related(*self.export_related)

    def get_urls(self) -> list[Any]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export-csv"
        view = self.admin_site.admin_view(self.export_csv_view)
        return [path("export.csv", view, name=name), *super().get_urls()]

    def export_csv_view(self, request: HttpRequest) -> Any:
        """The list of the same address, as a file."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        refuse_odd_search(request)
        try:
            rows = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            return redirect(reverse(f"admin:processors_{self.opts.model_name}_changelist"))
        ids = list(rows.values_list("pk", flat=True)[: MOST + 1])
        lines = self.lines(ids, self.export_columns(request))
        return as_file(lines, f"{self.opts.model_name}s.csv")

    def lines(self, ids: list[int], columns: Sequence[Column]) -> Iterator[Sequence[object]]:
        """The heads, the rows in the order of the list, and whether there are more."""
        yield [str(head) for head, _read in columns]
        for at in range(0, min(len(ids), MOST), STEP):
            step = ids[at : min(at + STEP, MOST)]
            found = self.export_rows().in_bulk(step)
            yield from (
                [cell(read(found[pk])) for _head, read in columns] for pk in step if pk in found
            )
        if len(ids) > MOST:
            cut = _("Cut here after %(most)s rows: narrow the filters to reach the others.")
            yield [cut % {"most": number(MOST)}]


def as_file(lines: Iterator[Sequence[object]], name: str) -> HttpResponse:
    """CSV to keep, with the mark by which a spreadsheet knows that it is UTF-8."""
    writer = csv.writer(Line())
    text = (writer.writerow(line) for line in lines)
    answer = StreamingHttpResponse(marked(text), content_type="text/csv; charset=utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Cache-Control"] = "no-store"
    return answer  # type: ignore[return-value]


def marked(text: Iterator[str]) -> Iterator[str]:
    """The same, after a byte order mark."""
    yield "\ufeff"
    yield from text


def cell(value: object) -> object:
    """A value as a file has it: numbers to a millionth, times in UTC, text that is no formula."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return round(value, 6)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(FORMULA) else text
