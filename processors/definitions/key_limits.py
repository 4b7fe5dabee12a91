"""Whether what a limit is counted by exists, as far as that can be known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from django.db.models import Max
from django.utils.translation import gettext as _

from processors.models import Processor, Record
from processors.rates import BY, Rate

LOOKED_THROUGH = 10_000  # of all records, the newest
LOOKED_AT = 100  # of them, of one processor
NAMED = 12  # fields, in a sentence


def troubles(
    limits: Sequence[str], source: Mapping[str, Any], existing: Processor | None
) -> Iterator[str]:
    """What is wrong with each limit by a key, and what would be right."""
    for rate in (Rate.parse(text) for text in limits if BY in text):
        trouble = of_table(rate, source) if source.get("kind") == "table" else ""
        if not source.get("kind") or source["kind"] == "inbox":
            trouble = of_inbox(rate, existing)
        if trouble:
            yield trouble


def of_table(rate: Rate, source: Mapping[str, Any]) -> str:
    """A table's fields are known: its payload columns."""
    mode = source.get("mode", "A")
    if mode != "A":
        told = {"limit": rate, "mode": mode, "plain": replace(rate, by="")}
        return (
            _(
                "'%(limit)s' cannot be kept here: a table in another database (mode %(mode)s) is "
                "claimed before its rows are read, so nobody knows whose they are. Limit all "
                "records together (“%(plain)s”), or have the rows published to an inbox and "
                "limit that."
            )
            % told
        )
    known = source.get("payload") or []
    if not rate.path or rate.path[0] in known:
        return ""
    names = ", ".join(known[:NAMED]) or _("none")
    return _(
        "'%(limit)s': the payload has no column '%(column)s'. Its columns are: %(names)s. Add it "
        "to the payload's columns, or name one of these, or “key” for the table's own."
    ) % {"limit": rate, "column": rate.path[0], "names": names}


def of_inbox(rate: Rate, existing: Processor | None) -> str:
    """An inbox takes any payload: the newest records tell what is usual.

    Of a field that it is limited by already nobody has to be told again.
    """
    if existing is None or not rate.path or rate.by in {one.by for one in existing.key_rates}:
        return ""
    payloads = newest_payloads(existing)
    if not payloads or any(rate.value("", payload) for payload in payloads):
        return ""
    names = dict.fromkeys(str(name) for payload in payloads for name in payload)
    told = ", ".join(list(names)[:NAMED]) or _("none")
    return _(
        "'%(limit)s': none of the newest %(n)s records has a field '%(by)s'. Their fields are: "
        "%(names)s. A field within another is written customer.id."
    ) % {"limit": rate, "n": len(payloads), "by": rate.by, "names": told}


def newest_payloads(processor: Processor) -> list[dict[str, Any]]:
    """Of the newest records, those of this processor; bounded however many there are."""
    newest = Record.objects.aggregate(top=Max("id"))["top"] or 0
    rows = Record.objects.filter(id__gt=newest - LOOKED_THROUGH, processor=processor)
    found = rows.order_by("-id").values_list("payload", flat=True)[:LOOKED_AT]
    return [payload for payload in found if isinstance(payload, dict)]
