"""What the chosen database and table offer to a source, and a guess at how to use it.

Reads only, and little: lists, the columns of one table, and the status of its first rows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db import DatabaseError, connections, transaction
from django.utils.translation import gettext as _

from processors.sources.catalogue import Column, Table
from processors.sources.connecting import Unreachable, connect
from processors.sources.inspection import count_by_status, no_new_rows
from processors.sources.introspection import columns, estimated_tables, find_table
from processors.sources.judgement import DEFAULT_WORDS, table_problem

MOST_ROWS = 20_000  # whose status is counted
MOST_TABLES = 500  # that are offered; any other can be typed
STATUS_NAMES = ("status", "state", "processing_status", "processing_state", "stage", "step")
# What rows are called that wait, are in hand, are done and have failed, likeliest first.
USUAL_WORDS: dict[str, tuple[str, ...]] = {
    "new": ("new", "ready", "pending", "open", "waiting", "queued", "todo", "created", "received"),
    "claimed": ("taken", "claimed", "processing", "in_progress", "working", "running", "busy"),
    "done": ("done", "processed", "finished", "completed", "complete", "success", "ok", "sent"),
    "failed": ("error", "failed", "failure", "rejected", "invalid"),
}


@dataclass
class Offer:
    """What there is to choose from; `problem` says why there is nothing.

    `table_problem` says why the table that was named is none.
    """

    tables: list[Table] = field(default_factory=list)
    columns: list[Column] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    problem: str = ""
    table_problem: str = ""

    @property
    def names(self) -> list[str]:
        """The table's columns by name."""
        return [column.name for column in self.columns]

    @property
    def cut_at(self) -> int:
        """How many rows the count ended at; 0 where it saw all."""
        return MOST_ROWS if sum(self.counts.values()) >= MOST_ROWS else 0

    def warning(self, word: str) -> str:
        """That no row has the word for new, and which one was probably meant."""
        is_there = not self.counts or not word or word in self.counts
        return "" if is_there else no_new_rows(word, self.counts)


def offer(source: Mapping[str, str]) -> Offer:
    """What the database and table of a form offer; never raises for what was typed."""
    found, alias = Offer(), source["database"]
    if alias not in connections:
        return found
    try:
        connect(alias)
        with transaction.atomic(using=alias):
            look(found, alias, source)
    except Unreachable as error:
        found.problem = str(error)
    except DatabaseError as error:
        found.problem = _("The database could not answer (%(name)s).") % {
            "name": type(error).__name__
        }
    return found


def look(found: Offer, alias: str, source: Mapping[str, str]) -> None:
    """Tables, the columns of the chosen one, and how often its status has which value."""
    found.tables = estimated_tables(alias)[:MOST_TABLES]
    if not source["table"]:
        return
    found.table_problem = table_problem(alias, source["table"])
    table = find_table(alias, source["table"])
    if table is None or not table.is_writable:
        return
    found.columns = columns(alias, table.name)
    status = source["status"] or (likely_status(found.columns) or "")
    if status in found.names:
        asked = {"database": alias, "table": table.name, "status": status}
        found.counts = count_by_status(asked, MOST_ROWS)


# Guesses


def guess(found: Offer, typed: Mapping[str, str]) -> dict[str, str]:
    """Values for what was not chosen yet, or belongs to another table."""
    if not found.columns:
        return {}
    values: dict[str, str] = {}
    if typed["key"] not in found.names:
        values["key"] = likely_key(found.columns) or ""
    if typed["status"] not in found.names:
        values["status"] = likely_status(found.columns) or ""
        values |= likely_words(found, values["status"])
    for name in ("result", "error"):
        if typed[name] and typed[name] not in found.names:
            values[name] = ""
    return values


def likely_key(found: list[Column]) -> str | None:
    """The first column that the database keeps unique and filled, of a kind that a key can be."""
    kinds = ("integer", "text", "uuid")
    fit = [column for column in found if column.unique and column.kind in kinds]
    best = sorted(fit, key=lambda column: (column.nullable, column.name.lower() != "id"))
    return best[0].name if best else None


def likely_status(found: list[Column]) -> str | None:
    """A column that is named like one and can hold words."""
    fit = {
        column.name.lower(): column.name
        for column in found
        if column.kind in ("text", "enum", "integer") and not column.generated
    }
    by_name = [fit[name] for name in STATUS_NAMES if name in fit]
    by_end = [name for low, name in fit.items() if low.endswith(("_status", "_state", "status"))]
    enums = [column.name for column in found if column.kind == "enum"]
    return next(iter([*by_name, *by_end, *enums]), None)


def likely_words(found: Offer, status: str) -> dict[str, str]:
    """The words that the table uses already, for the parts they are usually used for."""
    column = next((one for one in found.columns if one.name == status), None)
    if column is None or column.kind == "integer":
        return {f"word_{part}": "" for part in USUAL_WORDS} if column else {}
    known = {word.strip().lower(): word for word in [*column.values, *found.counts]}
    words: dict[str, str] = {
        f"word_{part}": known[fit[0]]
        for part, names in USUAL_WORDS.items()
        if (fit := [name for name in names if name in known])
    }
    if column.kind == "enum":
        return {f"word_{part}": "" for part in USUAL_WORDS} | words
    if "word_new" not in words:
        return {}
    usual = {f"word_{part}": word for part, word in DEFAULT_WORDS.items() if part in USUAL_WORDS}
    if words["word_new"].islower():
        usual = {part: word.lower() for part, word in usual.items()}
    return usual | words
