"""I1 in the user's tables: no row stays in hand of nobody."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, transaction

from processors.ledger_check.asking import SHOWN, Asked
from processors.models import Batch, Processor
from processors.sources import open_source
from processors.sources.marked import MarkedTableSource
from processors.sources.statements import Statements

Rows = Iterable[tuple[str, str]]

# Rows with the claimed word of which our ledger remembers nothing open. What waits for another
# try, or for a person, keeps its row claimed or failed; a finished record does not.
UNREMEMBERED = """
SELECT t.{key}
  FROM {table} AS t
 WHERE t.{status} = %s
   AND NOT EXISTS (
       SELECT 1
         FROM processors_record AS record
        WHERE record.processor_id IN ({processors}) AND record.key = CAST(t.{key} AS text)
          AND record.state IN ('ready', 'claimed', 'dead', 'parked'))
 ORDER BY t.{key}
 LIMIT %s
"""


def marked_rows_are_in_hand(_: Asked) -> Rows:
    """I1, at rest: no row of a table elsewhere has the mark of a batch that has it no more.

    While work goes on there may be some, until the next tick.
    """
    for processor in Processor.objects.filter(source_kind="table").order_by("pk"):
        source = open_source(processor.pk, processor.source)
        if not isinstance(source, MarkedTableSource):
            continue
        try:
            strays = source.strays()
        except DatabaseError as error:
            yield f"table of {processor.slug}", f"cannot be read: {str(error).split(chr(10), 1)[0]}"
            continue
        for key, mark in strays[:SHOWN]:
            yield f"row {key} of {source.statements.table}", f"is {mark}, in hand of nobody"


@dataclass(frozen=True)
class Claims:
    """Rows of one table that wear one claimed word: of all processors that use it."""

    table: str
    status: str
    word: str


def claimed_rows_are_in_hand(_: Asked) -> Rows:
    """I1: a row with the claimed word is in an open batch, or remembered as unfinished.

    Only of tables in our own database: in others nothing is written before the outcome.
    """
    sharing: dict[Claims, list[Processor]] = defaultdict(list)
    for processor in Processor.objects.filter(source_kind="table").order_by("pk"):
        source = processor.source
        if source.get("database") == "default":
            word = source["words"]["claimed"]
            sharing[Claims(source["table"], source["status"], word)].append(processor)
    for claims, processors in sharing.items():
        yield from lost_rows(claims, processors)


def lost_rows(claims: Claims, processors: list[Processor]) -> Iterator[tuple[str, str]]:
    """Rows that nobody has in hand although they say so."""
    slugs = ", ".join(processor.slug for processor in processors)
    open_keys = keys_in_hand(processors)
    try:
        with transaction.atomic():
            keys = unremembered(claims, processors, limit=len(open_keys) + SHOWN + 1)
    except DatabaseError as error:
        reason = str(error).strip().split("\n", 1)[0]
        yield f"table {claims.table} ({slugs})", f"cannot be read: {reason}"
        return
    for key in keys:
        if str(key) not in open_keys:
            yield (
                f"row {key} of {claims.table}",
                f"is {claims.word}, but {slugs} has it not in hand",
            )


def keys_in_hand(processors: list[Processor]) -> set[str]:
    """Open keys of every open batch of these processors."""
    batches = Batch.objects.leased().filter(run__processor__in=processors)
    return {str(key) for batch in batches for key in batch.open_keys}


def unremembered(claims: Claims, processors: list[Processor], *, limit: int) -> list[Any]:
    """Keys of claimed rows that the ledger does not know as unfinished."""
    statements = Statements(processors[0].source)
    sql = UNREMEMBERED.format(
        key=statements.key,
        table=statements.table,
        status=statements.status,
        processors=", ".join(["%s"] * len(processors)),
    )
    params = [claims.word, *(processor.pk for processor in processors), limit]
    return [row[0] for row in statements.dialect.fetch(sql, params)]
