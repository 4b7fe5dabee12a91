"""How many records wait for a processor, or why nobody can tell."""

import logging
from collections.abc import Iterable
from typing import NamedTuple

from django.db import DatabaseError, transaction
from django.db.models import Func, IntegerField, OuterRef, Subquery
from django.utils.translation import gettext as _

from processors.models import Processor, Record
from processors.sources import SourceTrouble, open_source
from processors.sources.connecting import Unreachable, connect
from processors.sources.dialect import first_line, is_broken

logger = logging.getLogger(__name__)


class Backlog(NamedTuple):
    """`records` is None where the source could not be asked; `trouble` why, for people."""

    records: int | None
    trouble: str = ""


def count(processor: Processor, cap: int) -> Backlog:
    """Ask the source itself, up to `cap`; never raises for what is wrong with it."""
    try:
        with transaction.atomic():
            if processor.source_kind == "table":
                connect(processor.source["database"])  # for its sentence, should it be away
            return Backlog(open_source(processor.pk, processor.source).backlog(cap))
    except (DatabaseError, Unreachable, SourceTrouble, LookupError, OSError) as error:
        logger.info("the backlog of %s cannot be counted: %s", processor.slug, error)
        return Backlog(None, trouble_of(processor, error))


class CountOf(Func):
    """How many rows a subquery finds."""

    template = "(SELECT count(*) FROM %(expressions)s AS found)"
    output_field = IntegerField()


def of_inboxes(processors: Iterable[Processor], cap: int) -> dict[int, int]:
    """How many records wait in the inbox of each, up to `cap`: one query for all of them."""
    theirs = Record.objects.filter(processor=OuterRef("pk"))
    usual, alone = (
        CountOf(Subquery(rows.order_by().values("pk")[:cap])) for rows in theirs.in_their_indexes()
    )
    rows = Processor.objects.filter(pk__in=[one.pk for one in processors]).order_by()
    return {pk: min(found, cap) for pk, found in rows.values_list("pk", usual + alone)}


def trouble_of(processor: Processor, error: Exception) -> str:
    """What keeps a table from being read; empty for what may pass by itself."""
    if isinstance(error, Unreachable | SourceTrouble):
        return str(error)
    if not is_broken(error):
        return ""
    return _("table '%(table)s' in '%(database)s' is not as it was (%(error)s).") % {
        "table": processor.source["table"],
        "database": processor.source["database"],
        "error": first_line(error).rstrip("."),
    }
