"""Tables, columns and indexes as SQLite lists them by PRAGMA and in sqlite_master."""

import re
from typing import Any

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from processors.sources.catalogue import Column, Index, Kind, Table, ask, bit_range


def sqlite_relations(connection: BaseDatabaseWrapper) -> list[Table]:
    """The main database's tables and views."""
    sql = "SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name"
    return [Table(name=name, relation=kind) for name, kind in ask(connection, sql)]


def sqlite_estimate(connection: BaseDatabaseWrapper, table: str) -> int | None:
    """About how many rows a quoted table has: its highest row number, found without a scan."""
    try:
        return int(ask(connection, f"SELECT coalesce(max(_rowid_), 0) FROM {table}")[0][0])
    except DatabaseError:  # WITHOUT ROWID, or a virtual table
        return None


def sqlite_columns(connection: BaseDatabaseWrapper, table: str) -> list[Column]:
    """What PRAGMA says of a quoted table; generated columns are marked hidden (2 or 3)."""
    found = ask(connection, f"PRAGMA table_xinfo({table})")
    unique = sqlite_unique_columns(connection, table)
    keys = [row[1] for row in found if row[5]]
    return [sqlite_column(row, keys, unique) for row in found]


def sqlite_column(row: Any, keys: list[str], unique: set[str]) -> Column:
    """One line of table_xinfo: (cid, name, type, notnull, default, pk, hidden)."""
    _, name, declared, filled, _, _, hidden = row
    kind = sqlite_kind(declared)
    length = re.search(r"char\w*\s*\(\s*(\d+)\s*\)", declared, re.IGNORECASE)
    is_rowid = keys == [name] and declared.upper() == "INTEGER"
    return Column(
        name=name,
        type=declared.lower() or "no type",
        kind=kind,
        nullable=not (filled or is_rowid),
        length=int(length[1]) if length else None,
        range=bit_range(64) if kind == "integer" else None,
        generated=hidden in (2, 3),
        unique=keys == [name] or name in unique,
    )


# SQLite's affinity rules, after the types that people write and SQLite doesn't know.
SQLITE_KINDS: tuple[tuple[str, Kind], ...] = (
    (r"json", "json"),
    (r"bool", "boolean"),
    (r"date|time", "time"),
    (r"uuid", "text"),
    (r"int", "integer"),
    (r"char|clob|text", "text"),
    (r"real|floa|doub|dec|num", "number"),
)


def sqlite_kind(declared: str) -> Kind:
    """What a declared type holds."""
    return next(
        (kind for sign, kind in SQLITE_KINDS if re.search(sign, declared, re.IGNORECASE)), "other"
    )


def sqlite_unique_columns(connection: BaseDatabaseWrapper, table: str) -> set[str]:
    """Columns with a whole unique index of their own: (seq, name, unique, origin, partial)."""
    listed = ask(connection, f"PRAGMA index_list({table})")
    parts = [sqlite_index_columns(connection, row[1]) for row in listed if row[2] and not row[4]]
    return {names[0] for names in parts if len(names) == 1 and names[0]}


def sqlite_index_columns(connection: BaseDatabaseWrapper, index: str) -> list[str]:
    """The columns of an index in order; an expression's name is empty."""
    sql = "SELECT coalesce(name, '') FROM pragma_index_info(%s) ORDER BY seqno"
    return [row[0] for row in ask(connection, sql, [index])]


def sqlite_indexes(connection: BaseDatabaseWrapper, table: str) -> list[Index]:
    """The indexes of a quoted table; a condition is read from the statement that made it."""
    made = "SELECT coalesce(sql, '') FROM sqlite_master WHERE type = 'index' AND name = %s"
    found = []
    for row in ask(connection, f"PRAGMA index_list({table})"):
        statement = next(iter(ask(connection, made, [row[1]])), ("",))[0]
        names = sqlite_index_columns(connection, row[1]) or [""]
        found.append(Index(names[0], statement.partition(" WHERE ")[2]))
    return found
