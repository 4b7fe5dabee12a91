"""Statements that Postgres plans once for a connection, for what is sent with every record.

Planning such a statement costs more than what it changes.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from itertools import count
from typing import Any

from django.db import DatabaseError, connections

NOT_THERE = "26000"  # invalid_sql_statement_name
THERE_ALREADY = "42P05"  # duplicate_prepared_statement


class Unprepared(Exception):
    """This connection keeps no statements: a pooler shares its server with others."""


class Prepared:
    """The statements that this thread's connection to `alias` has prepared so far."""

    def __init__(self, alias: str) -> None:
        self.connection = connections[alias]
        self._raw: Any = None
        self._cursor: Any = None
        self._known: set[str] = set()
        self._is_shared = False

    def fetch(self, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        """All rows of a statement with `%s` marks. Raises Unprepared, having done nothing."""
        if self._is_shared:
            raise Unprepared
        name, text, execution = spelt(sql)
        if self._raw is None or self.connection.connection is not self._raw:
            self._begin_anew()
        if name not in self._known:
            self._prepare(name, text)
        try:
            self._cursor.execute(execution, params)
        except DatabaseError as error:
            if code_of(error) != NOT_THERE:
                raise
            self._is_shared = True
            raise Unprepared from error
        return list(self._cursor.fetchall())

    def _begin_anew(self) -> None:
        """On another connection than before. One cursor serves all: making one costs time."""
        self._cursor, self._known = self.connection.cursor(), set()
        self._raw = self.connection.connection

    def _prepare(self, name: str, text: str) -> None:
        try:
            self._cursor.execute(text)
        except DatabaseError as error:
            if code_of(error) != THERE_ALREADY:
                raise
        self._known.add(name)


@cache
def spelt(sql: str) -> tuple[str, str, str]:
    """A statement's name, the text that prepares it, and the text that executes it.

    Named by what it says: were a server shared, a name could not stand for something else.
    """
    name = f"recordmill_{hashlib.sha256(sql.encode()).hexdigest()[:32]}"
    first, *others = sql.split("%s")
    numbers = count(1)
    marked = first + "".join(f"${next(numbers)}{part}" for part in others)
    marks = ", ".join("%s" for _ in others)
    return name, f"PREPARE {name} AS {marked}", f"EXECUTE {name} ({marks})"


def code_of(error: DatabaseError) -> str | None:
    """Postgres's own code of an error."""
    return getattr(error.__cause__, "pgcode", None)
