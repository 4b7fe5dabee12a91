"""A table source looked at against its real database.

Entry points: `inspect_source` (before saving) and `preview` (what it would take).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import connections
from django.utils.translation import gettext as _

from processors.sources.catalogue import ask
from processors.sources.indexing import index_warning
from processors.sources.introspection import columns, quoted_name, quoted_table
from processors.sources.judgement import COUNT_LIMIT_ROWS, judge
from processors.sources.look import Inspection
from processors.sources.modes import in_words, sample_mark
from processors.sources.statements import Statements, claim_sql_text
from processors.sources.trial import refusals
from processors.sources.wording import close
from processors.wording import number

__all__ = [
    "Inspection",
    "InvalidSource",
    "Preview",
    "count_by_status",
    "inspect_source",
    "no_new_rows",
    "preview",
]

PREVIEW_CHARACTERS = 200
BATCH_SHOWN = 500  # as in the preview of a claim in our own database
SHOWN_STATUSES = 50
NO_STATUS = "(empty)"


class InvalidSource(ValueError):
    """The source can't be previewed; `problems` as in Inspection."""

    def __init__(self, problems: dict[str, list[str]]) -> None:
        self.problems = problems
        super().__init__(" ".join(text for found in problems.values() for text in found))


@dataclass(frozen=True)
class Preview:
    """What a source would take next.

    `rows`: values as text of at most 200 characters, None for null. `counts`: rows by status,
    the most frequent first. `sql`: the statement that claims. `mode`: how, in words.
    """

    columns: list[str]
    rows: list[list[str | None]]
    counts: dict[str, int]
    sql: str
    mode: str
    warnings: list[str] = field(default_factory=list)


def inspect_source(source: Mapping[str, Any]) -> Inspection:
    """Judge a table source and try a claim that is rolled back. Never raises for bad input."""
    # What an earlier trial found of the mode may have changed.
    found = judge({name: value for name, value in source.items() if name != "mode"})
    if found.problems:
        return found
    for path, sentence in refusals(found.normal, found.warnings):
        found.refuse(path, sentence)
    if not found.problems:
        found.warnings.extend(index_warning(found.normal))
    return found


def preview(source: Mapping[str, Any], limit: int = 10, *, is_held: bool = False) -> Preview:
    """The next rows, the counts and the SQL. Raises InvalidSource; cost: one scan, limited.

    `is_held`: rows wait that are not new any more, so that none being new is nothing odd.
    """
    found = judge(source)
    if found.problems:
        raise InvalidSource(found.problems)
    counts = count_by_status(found.normal)
    return Preview(
        columns=shown_columns(found.normal),
        rows=next_rows(found.normal, limit),
        counts=counts,
        sql=claim_text(found.normal),
        mode=in_words(found.normal),
        warnings=found.warnings + count_warnings(found.normal, counts, is_held=is_held),
    )


def claim_text(source: Mapping[str, Any]) -> str:
    """The claim as SQL; a row of another database is claimed in our own, there read or marked."""
    if source["mode"] == "A":
        return claim_sql_text(source)
    sql, params = reading(source, BATCH_SHOWN)
    if source["mode"] == "B":
        s = Statements(source)
        mark, new = sample_mark(source["words"]["claimed"]), source["words"]["new"]
        sql += f";\nUPDATE {s.table} SET {s.status} = %s\n WHERE {s.key} = … AND {s.status} = %s"
        params = [*params, mark, new]
    shown = [
        str(p) if isinstance(p, int) else "'" + str(p).replace("'", "''") + "'" for p in params
    ]
    return sql % tuple(shown)


def shown_columns(source: Mapping[str, Any]) -> list[str]:
    """Key, status and payload, each once."""
    return list(dict.fromkeys([source["key"], source["status"], *source["payload"]]))


def next_rows(source: Mapping[str, Any], limit: int) -> list[list[str | None]]:
    """The rows that the next claim would take first."""
    rows = ask(connections[source["database"]], *reading(source, limit))
    return [[cut(value) for value in row] for row in rows]


def reading(source: Mapping[str, Any], limit: int) -> tuple[str, list[Any]]:
    """The statement that reads the first waiting rows, and its parameters."""
    statements = Statements(source)
    where, params = statements.waiting()
    names = ", ".join(quoted_name(source["database"], name) for name in shown_columns(source))
    sql = (
        f"SELECT {names}\n  FROM {statements.table}\n WHERE {where}\n"
        f" ORDER BY {statements.order}\n LIMIT %s"
    )
    return sql, [*params, limit]


def cut(value: object) -> str | None:
    """A value as a short text; bytes by their size."""
    if value is None:
        return None
    if isinstance(value, bytes | memoryview):
        return f"{number(len(bytes(value)))} bytes"
    text = str(value)
    return text if len(text) <= PREVIEW_CHARACTERS else text[: PREVIEW_CHARACTERS - 1] + "…"


def count_by_status(source: Mapping[str, Any], most_rows: int = COUNT_LIMIT_ROWS) -> dict[str, int]:
    """Rows by status among the first `most_rows`; CHAR(n) without its filling blanks."""
    alias = source["database"]
    status = quoted_name(alias, source["status"])
    sql = f"""
    SELECT s, count(*) FROM
      (SELECT {status} AS s FROM {quoted_table(alias, source["table"])} LIMIT %s) AS first_rows
    GROUP BY s ORDER BY count(*) DESC LIMIT %s
    """
    found = ask(connections[alias], sql, [most_rows, SHOWN_STATUSES])
    padded = {column.name for column in columns(alias, source["table"]) if column.padded}
    ending = " " if source["status"] in padded else ""
    return {NO_STATUS if s is None else str(s).rstrip(ending): count for s, count in found}


def count_warnings(
    source: Mapping[str, Any], counts: Mapping[str, int], *, is_held: bool = False
) -> list[str]:
    """What the counts give away: no new rows, rows without a status, a count that was cut."""
    warnings = []
    new = str(source["words"]["new"])
    ours = {NO_STATUS, *source["words"].values()}
    strange = {word: count for word, count in counts.items() if word not in ours}
    # Where every row has a word of ours the work is simply done: no reason to doubt the word.
    if strange and not counts.get(new) and not is_held:
        warnings.append(no_new_rows(new, strange))
    if counts.get(NO_STATUS):
        warnings.append(
            _("%(count)s rows have no status and are never taken.")
            % {"count": number(counts[NO_STATUS])}
        )
    if sum(counts.values()) >= COUNT_LIMIT_ROWS:
        warnings.append(
            _("Counted in the first %(count)s rows only.") % {"count": number(COUNT_LIMIT_ROWS)}
        )
    return warnings


def no_new_rows(new: str, counts: Mapping[str, int]) -> str:
    """Names the word that was probably meant."""
    folded = [word for word in counts if word.strip().casefold() == new.strip().casefold()]
    similar = folded or close(new, counts)
    if not similar:
        return f"0 rows are '{new}'."
    word = similar[0]
    return _("0 rows are '%(new)s'; %(count)s are '%(word)s'. Did you mean '%(word)s'?") % {
        "new": new,
        "count": number(counts[word]),
        "word": word,
    }
