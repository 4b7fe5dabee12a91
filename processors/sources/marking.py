"""The SQL of mode B: what is sent to a table whose rows in hand are marked."""

from collections.abc import Sequence
from typing import Any

from processors.sources.statements import Statements


class MarkStatements(Statements):
    """The statements for one table, with those for marks."""

    def mark(self, keys: Sequence[Any], old: Sequence[str], mark: str) -> tuple[str, list[Any]]:
        """Mark rows that have one of the old statuses; returns key and payload."""
        olds = self.dialect.is_in(f"t.{self.status}", "text")
        sql = (
            f"UPDATE {self.table} AS t SET {self.status} = %s"
            f" WHERE {self.with_keys} AND {olds} RETURNING {self.columns}"
        )
        return sql, [mark, self.dialect.values(keys), self.dialect.values(old)]

    def statuses(self, keys: Sequence[Any]) -> tuple[str, list[Any]]:
        """Key and status of rows."""
        sql = f"SELECT t.{self.key}, t.{self.status} FROM {self.table} AS t WHERE {self.with_keys}"
        return sql, [self.dialect.values(keys)]

    def with_status(self, keys: Sequence[Any], status: str) -> tuple[str, list[Any]]:
        """The keys of those rows that have a status."""
        sql = (
            f"SELECT t.{self.key} FROM {self.table} AS t"
            f" WHERE {self.with_keys} AND t.{self.status} = %s"
        )
        return sql, [self.dialect.values(keys), status]

    def between(self, first: str, last: str, limit: int) -> tuple[str, list[Any]]:
        """Key and status of rows whose status is in a range."""
        sql = (
            f"SELECT {self.key}, {self.status} FROM {self.table}"
            f" WHERE {self.status} >= %s AND {self.status} <= %s"
            f" ORDER BY {self.status}, {self.key} LIMIT %s"
        )
        return sql, [first, last, limit]
