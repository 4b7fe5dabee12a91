"""What a search for a key says of tables: their plain rows leave no record here."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processors.admin import record_search
from processors.admin.filters import whole
from processors.models import Processor, Record
from processors.sources import SourceTrouble
from processors.sources.connecting import Unreachable
from processors.sources.introspection import UnusableName
from processors.sources.row import LEFT_OUT, find_row

LOOKED_IN = 5  # tables: each is a look at a database that may be far away

MEANINGS = {
    "new": gettext_lazy("it waits; nothing was kept of it so far"),
    "claimed": gettext_lazy("it is in hand"),
    "done": gettext_lazy("it was done"),
    "skipped": gettext_lazy("it was skipped"),
    "failed": gettext_lazy("it failed; nothing is kept of it any more"),
    LEFT_OUT: gettext_lazy("the source's filter leaves it out"),
    "": gettext_lazy("that is none of the source's words, so it is not taken"),
}


@dataclass(frozen=True)
class Told:
    """A sentence about a key in a table, and where to read on."""

    sentence: str
    link: str
    url: str


def beside(request: HttpRequest, query: str, found: Iterable[Record]) -> dict[str, Any]:
    """What the page says beside the records that were found, where none has this very key.

    No query at all where one has it, or where no source is a table.
    """
    listed = list(found)
    key = record_search.key_alone(query, record_search.parse(query))
    if listed and (not key or any(record.key == key for record in listed)):
        return {}
    tables = tables_of(request)
    return {
        "row_lines": look_in(tables, key) if key else [],
        "row_keys": ", ".join(f"{one.name}: {one.source['key']}" for one in tables),
    }


def tables_of(request: HttpRequest) -> list[Processor]:
    """The first of those that this person may know of, and that the list is narrowed to."""
    found = Processor.objects.visible_to(request.user).filter(source_kind="table")
    only = whole(request.GET.get("processor"))
    return list((found if only is None else found.filter(pk=only)).order_by("name")[:LOOKED_IN])


def look_in(tables: Iterable[Processor], key: str) -> list[Told]:
    """A line for each table that has the key, or cannot be asked; a database is missed once."""
    lines, away = [], set[str]()
    for processor in tables:
        alias = processor.source["database"]
        if alias in away:
            continue
        try:
            lines += told(processor, key)
        except (DatabaseError, Unreachable, UnusableName, SourceTrouble) as error:
            away.add(alias)
            lines.append(trouble(processor, error))
    return lines


def told(processor: Processor, key: str) -> list[Told]:
    """What the row says of itself; a record of ours, which another tab or filter has, says more."""
    row = find_row(processor.source, key)
    if row is None:
        return []
    record = Record.objects.filter(processor=processor, key=key).only("pk").first()
    meaning = MEANINGS[row.meaning] if record is None else _("its record says more")
    sentence = _("Row %(key)s of %(processor)s (%(table)s) has status '%(status)s': %(meaning)s.")
    words = about(processor) | {"key": key, "status": row.status, "meaning": meaning}
    if record is None:
        return [Told(sentence % words, processor.name, processor.get_absolute_url())]
    url = reverse("admin:processors_record_change", args=[record.pk])
    return [Told(sentence % words, _("Record %(key)s") % {"key": key}, url)]


def trouble(processor: Processor, error: Exception) -> Told:
    """That a table is away is no answer about the key."""
    sentence = _("The table of %(processor)s (%(table)s) cannot be read now: %(why)s")
    why = f"{type(error).__name__}." if isinstance(error, DatabaseError) else str(error)
    words = about(processor) | {"why": why}
    return Told(sentence % words, processor.name, processor.get_absolute_url())


def about(processor: Processor) -> dict[str, Any]:
    """Its name, and its table's."""
    return {"processor": processor.name, "table": processor.source["table"]}
