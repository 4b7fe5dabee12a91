"""The search field of the records: `error:KeyError key:INV-99 payload.city:Köln`, or plain text.

A whole key is found by its index among any number of records. Everything else is looked for in the
newest ones of the list, so that no search reads a whole table; the page says so.
"""

import re
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet, TextField
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from processors.definitions.parsing import SECRET_NAME
from processors.models import Processor, Record

LOOKED_THROUGH = 10_000  # records of a list that a search reads
FOUND = 1_000  # records that it shows
DEEPEST = 5  # names in a path of a payload
TERM = re.compile(
    r'(?P<field>error|key|payload(?:\.[^\s:."]+)+):(?:"(?P<quoted>[^"]*)"|(?P<bare>\S+))'
    r'|"(?P<phrase>[^"]+)"|(?P<word>\S+)'
)


@dataclass(frozen=True)
class Term:
    """A text, and where to look for it: `error`, `key`, `payload.…`, or nowhere in particular."""

    field: str
    text: str

    @property
    def path(self) -> list[str]:
        """Where in the payload."""
        return self.field.split(".")[1:]


def parse(query: str) -> list[Term]:
    """The terms of a query."""
    terms = []
    for found in TERM.finditer(query):
        text = found["quoted"] or found["bare"] or found["phrase"] or found["word"]
        if text:
            terms.append(Term(found["field"] or "", text))
    return terms


def find(rows: QuerySet[Any], query: str, *, may_see_payload: bool) -> QuerySet[Any]:
    """The rows that a query means, in their order."""
    terms = parse(query)
    whole_key = key_alone(query, terms)
    if whole_key:
        every = list(Processor.objects.order_by().values_list("pk", flat=True))
        known = rows.filter(processor__in=every, key=whole_key)
        if known.exists():
            return known
    paths = [name for term in terms for name in term.path]
    if (paths and not may_see_payload) or any(SECRET_NAME.search(name) for name in paths):
        return rows.none()  # what is not shown is not to be guessed either
    window = rows.values("pk")[:LOOKED_THROUGH]
    found: QuerySet[Any] = Record.objects.filter(pk__in=window).order_by("-id")
    for number, term in enumerate(terms):
        found = narrowed(found, term, number)
    return rows.filter(pk__in=list(found.values_list("pk", flat=True)[:FOUND]))


def key_alone(query: str, terms: list[Term]) -> str:
    """A query that may be nothing but a key, which may hold blanks and colons."""
    if len(terms) == 1 and terms[0].field == "key":
        return terms[0].text
    return query.strip() if all(not term.field for term in terms) else ""


def narrowed(rows: QuerySet[Any], term: Term, number: int) -> QuerySet[Any]:
    """Those of the rows in which a term is found."""
    if term.field == "error":
        return rows.filter(Q(error_type__icontains=term.text) | Q(last_error__icontains=term.text))
    if term.field == "key":
        return rows.filter(key__icontains=term.text)
    if not term.path:
        words = Q(key__icontains=term.text) | Q(last_error__icontains=term.text)
        return rows.filter(words | Q(error_type__icontains=term.text))
    value: Any = "payload"
    for name in term.path[:DEEPEST]:
        value = KeyTextTransform(name, value)
    part = f"part_{number}"
    found: QuerySet[Any] = rows.alias(**{part: Cast(value, TextField())})
    return found.filter(**{f"{part}__iexact": term.text})
