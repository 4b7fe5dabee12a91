"""The SQL that a table source sends to the user's table, built once from its definition.

Identifiers come from introspection and are quoted; values are parameters, always.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from processors.sources.dialect import Dialect, unguessed
from processors.sources.introspection import quoted_table

# Column types as the database names them, to cast lists of keys and results to, and how many
# characters a text column takes (-1 and less: any number).
COLUMN_TYPES = """
SELECT attname, format_type(atttypid, NULL), atttypmod - 4
  FROM pg_attribute
 WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped
"""

# Whether an index begins with the status and then the key, over all rows.
STATUS_INDEX = """
SELECT 1
  FROM pg_index
  JOIN pg_attribute AS first ON first.attrelid = indrelid AND first.attnum = indkey[0]
  JOIN pg_attribute AS second ON second.attrelid = indrelid AND second.attnum = indkey[1]
 WHERE indrelid = %s::regclass AND indisvalid AND indpred IS NULL
   AND first.attname = %s AND second.attname = %s
"""

OPERATORS = frozenset({"=", "!=", "<", "<=", ">", ">=", "in", "is null", "is not null"})


class Statements:
    """The statements for one table."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        self.definition = definition
        self.dialect = Dialect(definition["database"])
        quote = self.dialect.quote
        self.table = quoted_table(definition["database"], definition["table"])
        self.key = quote(definition["key"])
        self.status = quote(definition["status"])
        self.payload: list[str] = list(definition.get("payload") or [])
        self.words: Mapping[str, str] = definition["words"]

    @cached_property
    def _columns(self) -> list[tuple[str, str, int]]:
        if not self.dialect.is_postgres:
            return []
        found = self.dialect.fetch(COLUMN_TYPES, [self.table])
        return [(name, type_, length) for name, type_, length in found]

    @cached_property
    def types(self) -> dict[str, str]:
        """Column name → type on Postgres; empty on SQLite, which needs no casts."""
        return {name: type_ for name, type_, _ in self._columns}

    @cached_property
    def lengths(self) -> dict[str, int]:
        """Column name → characters it takes, where they are limited."""
        texts = ("character varying", "character")
        return {
            name: length for name, type_, length in self._columns if type_ in texts and length > 0
        }

    def cast(self, column: str) -> str:
        """The type of a column of the table."""
        return self.types.get(self.definition[column], "text")

    @cached_property
    def columns(self) -> str:
        """The key and the payload's columns, of the table under the alias t."""
        names = [self.key, *(self.dialect.quote(name) for name in self.payload)]
        return ", ".join(self.own(name) for name in names)

    def own(self, name: str) -> str:
        """A column of the table in RETURNING, where SQLite knows no alias."""
        return f"t.{name}" if self.dialect.is_postgres else name

    @cached_property
    def order(self) -> str:
        """The order to claim in; by the key in the end, so that it is total."""
        parts = []
        for column in self.definition.get("order") or []:
            name, direction = column.removeprefix("-"), " DESC" if column.startswith("-") else ""
            parts.append(f"{self.dialect.quote(name)}{direction}")
        return ", ".join([*parts, self.key])

    @cached_property
    def filter(self) -> tuple[str, list[Any]]:
        """The definition's filter as conditions and their parameters."""
        sql, params = "", []
        for column, operator, *value in self.definition.get("filter") or []:
            text, given = self._condition(self.dialect.quote(column), operator, value)
            sql += f" AND {text}"
            params += given
        return sql, params

    def _condition(self, column: str, operator: str, value: Sequence[Any]) -> tuple[str, list[Any]]:
        if operator not in OPERATORS:
            raise ValueError(f"Unknown operator {operator!r} in a source's filter.")
        if operator in ("is null", "is not null"):
            return f"{column} {operator.upper()}", []
        if operator == "in":
            marks = ", ".join(["%s"] * len(value[0]))
            return f"{column} IN ({marks})", list(value[0])
        return f"{column} {operator.replace('!=', '<>')} %s", [value[0]]

    def waiting(
        self, *, ceiling: str | None = None, position: str | None = None
    ) -> tuple[str, list[Any]]:
        """The condition that a row waits, within a cycle's bounds."""
        sql, params = self.filter
        sql, params = f"{self.status} = %s{sql}", [self.words["new"], *params]
        if ceiling is not None:
            sql, params = f"{sql} AND {self.key} <= %s", [*params, int(ceiling)]
        if position is not None:
            sql, params = f"{sql} AND {self.key} > %s", [*params, self.key_value(position)]
        return sql, params

    def key_value(self, text: str) -> int | str:
        """A key that was kept as text, as the column's kind of value."""
        return int(text) if self.definition.get("key_type") == "integer" else text

    @cached_property
    def has_status_index(self) -> bool:
        """Whether an index begins with (status, key)."""
        names = [self.definition["status"], self.definition["key"]]
        return bool(self.dialect.fetch(STATUS_INDEX, [self.table, *names]))

    @cached_property
    def is_partitioned(self) -> bool:
        """Whether the table has partitions."""
        sql = "SELECT relkind = 'p' FROM pg_class WHERE oid = %s::regclass"
        return bool(self.dialect.fetch(sql, [self.table])[0][0])

    def waiting_in_order(self, ceiling: str | None) -> tuple[str, str, list[Any]]:
        """Condition, order and parameters of the pick on Postgres.

        With an index on (status, key), the pick must walk it. Old statistics say that waiting
        rows are everywhere; the planner would then walk the key's index through all rows that
        are done. A range instead of an equality keeps the status in the order, which only the
        right index has.
        """
        where, params = self.waiting(ceiling=ceiling)
        if self.definition.get("order") or not self.has_status_index:
            return where, self.order, params
        where = where.replace(
            f"{self.status} = %s", f"{self.status} >= %s AND {self.status} <= %s", 1
        )
        return where, f"{self.status}, {self.key}", [params[0], *params]

    def claim(self, size: int, ceiling: str | None) -> tuple[str, list[Any]]:
        """Mark up to `size` waiting rows as claimed and return key and payload."""
        claimed, new = self.words["claimed"], self.words["new"]
        if self.dialect.is_postgres:
            where, order, params = self.waiting_in_order(ceiling)
            # By physical place: locked rows cannot move, and no statistics can turn this into a
            # join with the whole table. Partitions number their places each for themselves.
            same_key = f"   AND t.{self.key} IN (SELECT picked FROM pick)\n"
            sql = (
                f"WITH pick AS MATERIALIZED (\n"
                f"    SELECT ctid AS place, {self.key} AS picked FROM {self.table}\n"
                f"    WHERE {where}\n    ORDER BY {order}\n    LIMIT %s\n"
                f"    FOR UPDATE SKIP LOCKED)\n"
                f"UPDATE {self.table} AS t\n   SET {self.status} = %s\n"
                f" WHERE t.ctid = ANY(ARRAY(SELECT place FROM pick))\n"
                f"   AND t.{self.status} = %s\n{same_key if self.is_partitioned else ''}"
                f"RETURNING {self.columns}"
            )
            return sql, [*params, size, claimed, new]
        where, params = self.waiting(ceiling=ceiling)
        pick = (
            f"SELECT {self.key} FROM {self.table}\n"
            f"    WHERE {where}\n    ORDER BY {self.order}\n    LIMIT %s"
        )
        sql = (
            f"UPDATE {self.table} AS t\n   SET {self.status} = %s\n"
            f" WHERE t.{self.status} = %s AND t.{self.key} IN (\n    {pick})\n"
            f"RETURNING {self.columns}"
        )
        return sql, [claimed, new, *params, size]

    @property
    def with_keys(self) -> str:
        """The condition that a row's key is in a list."""
        return self.dialect.is_in(f"t.{self.key}", self.cast("key"))

    def rows(self, keys: Sequence[Any], word: str) -> tuple[str, list[Any]]:
        """Key and payload of rows that still have a status."""
        where = f"{self.with_keys} AND t.{self.status} = %s"
        sql = f"SELECT {self.columns} FROM {self.table} AS t WHERE {where}"
        return sql, [self.dialect.values(keys), self.words[word]]

    def row(self, key: Any) -> tuple[str, list[Any]]:
        """Key and payload of one row, whatever its status."""
        return f"SELECT {self.columns} FROM {self.table} AS t WHERE t.{self.key} = %s", [key]

    def move(self, keys: Sequence[Any], old: str, new: str) -> tuple[str, list[Any]]:
        """Set rows from one status to another, returning the keys it found."""
        sql = (
            f"UPDATE {self.table} AS t SET {self.status} = %s{self._clearing(new)}"
            f" WHERE {self.with_keys} AND t.{self.status} = %s RETURNING {self.own(self.key)}"
        )
        return sql, [self.word(new), self.dialect.values(keys), self.word(old)]

    @cached_property
    def finish(self) -> str:
        """Set one claimed row to done; parameters: the word done, the key, the word claimed."""
        return (
            f"UPDATE {self.table} SET {self.status} = %s{self._clearing('done')}"
            f" WHERE {self.key} = %s AND {self.status} = %s"
        )

    def _clearing(self, new: str) -> str:
        """A row that is done says nothing of an earlier error."""
        error = self.definition.get("error")
        return f", {self.dialect.quote(error)} = NULL" if new == "done" and error else ""

    def tell(self, old: str) -> str:
        """Set one row's status, result and error; parameters: see `told`."""
        assignments = ", ".join(f"{self.dialect.quote(name)} = %s" for name in self.told_columns)
        return f"UPDATE {self.table} SET {assignments} WHERE {self.key} = %s AND {self.status} = %s"

    def tell_many(self) -> str:
        """The same for many rows in one statement, on Postgres: one array per column."""
        given = [f"unnest(%s::{self.cast('key')}[]) AS given_key"]
        given += [f"unnest(%s::text[]) AS given_{n}" for n, _ in enumerate(self.told_columns)]
        assignments = ", ".join(
            f"{self.dialect.quote(name)} = given_{n}::{self.types.get(name, 'text')}"
            for n, name in enumerate(self.told_columns)
        )
        return (
            f"UPDATE {self.table} AS t SET {assignments}"
            f" FROM (SELECT {', '.join(given)}) AS given"
            f" WHERE t.{self.key} = given_key AND {unguessed(f't.{self.status} = %s')}"
            f" RETURNING t.{self.key}"
        )

    def tell_exactly(self, columns: Sequence[str]) -> str:
        """Set columns of rows that each have a status of their own.

        On Postgres in one statement, with one array each for keys, old statuses and columns;
        else for one row, with its values, its key and its old status.
        """
        if not self.dialect.is_postgres:
            assignments = ", ".join(f"{self.dialect.quote(name)} = %s" for name in columns)
            where = f"{self.key} = %s AND {self.status} = %s"
            return f"UPDATE {self.table} SET {assignments} WHERE {where}"
        given = [f"unnest(%s::{self.cast('key')}[]) AS given_key"]
        given += ["unnest(%s::text[]) AS given_old"]
        given += [f"unnest(%s::text[]) AS given_{n}" for n, _ in enumerate(columns)]
        assignments = ", ".join(
            f"{self.dialect.quote(name)} = given_{n}::{self.types.get(name, 'text')}"
            for n, name in enumerate(columns)
        )
        return (
            f"UPDATE {self.table} AS t SET {assignments}"
            f" FROM (SELECT {', '.join(given)}) AS given"
            f" WHERE t.{self.key} = given_key"
            f" AND t.{self.status} = given_old::{self.cast('status')}"
        )

    @cached_property
    def told_columns(self) -> list[str]:
        """The columns an outcome is written to: status, then result and error where named."""
        named = (self.definition.get("result"), self.definition.get("error"))
        return [self.definition["status"], *(name for name in named if name)]

    def word(self, name: str) -> str:
        """The status word of an outcome; skipped rows are done unless a word is given."""
        return self.words.get(name) or self.words["done"]


def claim_sql_text(definition: Mapping[str, Any]) -> str:
    """The claim as a person reads it in the preview, with its parameters filled in."""
    sql, params = Statements(definition).claim(definition.get("batch_size", 500), None)
    shown = [
        str(p) if isinstance(p, int) else "'" + str(p).replace("'", "''") + "'" for p in params
    ]
    return sql % tuple(shown)
