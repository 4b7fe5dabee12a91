"""Statements that Postgres plans once for a connection, for what is sent with every record.

Planning such a statement costs more than what it changes.
"""

import hashlib
import threading
from collections.abc import Sequence
from functools import cache
from itertools import count
from typing import Any

from django.db import DatabaseError, connections

# Postgres makes a plan for the values given five times before it considers one for all. This lasts
# to the end of the string, which is a transaction of its own.
ONE_PLAN = "SET LOCAL plan_cache_mode = force_generic_plan; "

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

    @property
    def is_ours(self) -> bool:
        """Whether statements can be prepared here at all."""
        if self.connection.vendor != "postgresql":
            return False
        return not self._is_shared or self.connection.connection is not self._raw

    def fetch(
        self, sql: str, params: Sequence[Any], *, one_plan: bool = False
    ) -> list[tuple[Any, ...]]:
        """All rows of a statement with `%s` marks. Raises Unprepared, having done nothing.

        With `one_plan` it is planned once, for whatever values: pays where a connection sends it
        a few times. Outside of transactions only.
        """
        if not self.is_ours or (one_plan and self.connection.in_atomic_block):
            raise Unprepared
        self.connection.close_if_health_check_failed()  # as a cursor of its own would ask
        name, text, execution = spelt(sql)
        if self._raw is None or self.connection.connection is not self._raw:
            self._begin_anew()
        if name not in self._known:
            self._prepare(name, text)
        try:
            self._cursor.execute(ONE_PLAN + execution if one_plan else execution, params)
        except DatabaseError as error:
            if code_of(error) != NOT_THERE:
                raise
            self._is_shared = True
            raise Unprepared from error
        return list(self._cursor.fetchall())

    def _begin_anew(self) -> None:
        """On another connection than before. One cursor serves all: making one costs time."""
        self._cursor, self._known = self.connection.cursor(), set()
        self._raw, self._is_shared = self.connection.connection, False

    def _prepare(self, name: str, text: str) -> None:
        try:
            self._cursor.execute(text)
        except DatabaseError as error:
            if code_of(error) != THERE_ALREADY:
                raise
        self._known.add(name)


class Kept(threading.local):
    """By alias; a connection is its thread's own as well."""

    def __init__(self) -> None:
        self.by_alias: dict[str, Prepared] = {}


_kept = Kept()


def prepared(alias: str) -> Prepared:
    """This thread's, so that what one caller prepared is there for the next."""
    found = _kept.by_alias.get(alias)
    if found is None or found.connection is not connections[alias]:
        found = _kept.by_alias[alias] = Prepared(alias)
    return found


def filled(sql: str, expressions: Sequence[str]) -> str:
    """A statement with an expression for each of its `%s` marks: to be part of a larger one."""
    first, *others = sql.split("%s")
    return first + "".join(f"{e}{part}" for e, part in zip(expressions, others, strict=True))


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
