"""The rows of a user's table: read, moved to another status, and told what became of them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from processors.handlers.execution import encode_result
from processors.sources.base import Ref
from processors.sources.statements import Statements

JSONB = 3802  # the type code of jsonb, which Django leaves as text in plain SQL


class UserRows:
    """The rows of one table, in the words of its definition."""

    def __init__(self, definition: Mapping[str, Any]) -> None:
        self.definition = definition
        self.statements = Statements(definition)

    def read(self, sql: str, params: Sequence[Any]) -> list[tuple[Ref, dict[str, Any]]]:
        """Rows of a statement that returns the key and the payload's columns."""
        with self.statements.dialect.connection.cursor() as cursor:
            cursor.execute(sql, params)
            names = self.statements.payload
            coded = [n for n, column in enumerate(cursor.description) if column[1] == JSONB]
            rows = cursor.fetchall()
        if coded:
            rows = [decoded(row, coded) for row in rows]
        if len(names) == 1:  # by far the most, so without a look at each of several
            name = names[0]
            return [(as_ref(key), {name: value}) for key, value in rows]
        return [(as_ref(key), dict(zip(names, values, strict=True))) for key, *values in rows]

    def move(self, keys: Sequence[Ref], old: str, new: str) -> list[Ref]:
        """Set rows to another status; returns those that did not have the old one."""
        if not keys:
            return []
        found = self.statements.dialect.fetch(*self.statements.move(keys, old, new))
        return [] if len(found) == len(keys) else missing(keys, found)

    def told(self, ref: Ref, word: str, result: Any, error: str | None) -> list[Any]:
        """A row's new values in the order of `told_columns`, its key last."""
        values: list[Any] = [self.statements.word(word)]
        if self.definition.get("result"):
            values.append(self._result_text(result))
        if self.definition.get("error"):
            values.append(self._error_text(error) if word == "failed" else None)
        return [*values, ref]

    def _error_text(self, error: str | None) -> str:
        """Cut to what the column takes: half a sentence beats none."""
        return (error or "")[: self.statements.lengths.get(self.definition["error"])]

    def _result_text(self, result: Any) -> str | None:
        """JSON; a text as it is where the column is not JSON itself."""
        is_json = self.statements.types.get(self.definition["result"], "") in ("json", "jsonb")
        return result if isinstance(result, str) and not is_json else encode_result(result)

    def tell(self, rows: list[list[Any]], old: str) -> list[Ref]:
        """Write rows' new values; returns the keys of those that had not the old status."""
        if not rows:
            return []
        dialect, keys = self.statements.dialect, [row[-1] for row in rows]
        word = self.statements.words[old]
        if dialect.is_postgres:
            columns = [list(column) for column in zip(*rows, strict=True)]
            params = [columns[-1], *columns[:-1], word]
            found = dialect.fetch(self.statements.tell_many(), params)
            return [] if len(found) == len(rows) else missing(keys, found)
        return [row[-1] for row in rows if not dialect.run(self.statements.tell(old), [*row, word])]

    def tell_exactly(
        self, rows: Sequence[list[Any]], old: Sequence[str], columns: Sequence[str]
    ) -> int:
        """Set `columns` of rows (their key last) where each has exactly its old status."""
        if not rows:
            return 0
        dialect, sql = self.statements.dialect, self.statements.tell_exactly(columns)
        if dialect.is_postgres:
            *values, keys = [list(column) for column in zip(*rows, strict=True)]
            return dialect.run(sql, [keys, list(old), *values])
        return sum(dialect.run(sql, [*row, word]) for row, word in zip(rows, old, strict=True))


def as_ref(value: Any) -> Ref:
    """A key as JSON can hold it."""
    return value if isinstance(value, int) else str(value)


def decoded(row: Sequence[Any], columns: Sequence[int]) -> tuple[Any, ...]:
    """A row whose JSON columns are read."""
    values = list(row)
    for n in columns:
        values[n] = None if values[n] is None else json.loads(values[n])
    return tuple(values)


def missing(keys: Sequence[Ref], found: Sequence[Sequence[Any]]) -> list[Ref]:
    """Keys that a statement did not return."""
    returned = {as_ref(row[0]) for row in found}
    return [key for key in keys if key not in returned]
