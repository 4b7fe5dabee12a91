"""Where the SQL of the two databases differs."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError

from processors.clock import as_parameter
from processors.sources.connecting import configured


class Dialect:
    """How to say the same thing to the database behind `alias`. Raises Unreachable."""

    def __init__(self, alias: str) -> None:
        self.connection = configured(alias)
        self.is_postgres = self.connection.vendor == "postgresql"
        self.skip_locked = " FOR UPDATE SKIP LOCKED" if self.is_postgres else ""

    def quote(self, name: str) -> str:
        """An identifier that introspection returned, quoted."""
        return self.connection.ops.quote_name(name)

    def is_in(self, column: str, cast: str = "bigint") -> str:
        """`column` is one of a list that is passed as one parameter."""
        if self.is_postgres:
            return f"{column} = ANY(%s::{cast}[])"
        return f"{column} IN (SELECT value FROM json_each(%s))"

    def values(self, items: Sequence[Any]) -> Any:
        """The parameter of `is_in`."""
        return list(items) if self.is_postgres else json.dumps(list(items))

    def moment(self, value: datetime) -> Any:
        """A time as a parameter."""
        return as_parameter(value, self.connection.vendor)

    def fetch(self, sql: str, params: Sequence[Any]) -> list[tuple[Any, ...]]:
        """All rows of a statement."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, params)
            return list(cursor.fetchall())

    def run(self, sql: str, params: Sequence[Any]) -> int:
        """Execute; how many rows it touched."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, params)
            return int(cursor.rowcount)


def unguessed(condition: str) -> str:
    """A condition that Postgres holds true of half of all rows, whatever its statistics say.

    For an update that is joined with lists. Of what a batch has claimed just now, statistics know
    nothing: a planner that expects one such row compares each of a thousand with each of the lists.
    """
    return f"coalesce({condition}, FALSE)"


# Whatever a database raises: Django's InterfaceError, "connection already closed", is no
# DatabaseError.
TROUBLE = (DatabaseError, InterfaceError)

# SQLite calls every mistake "operational"; these are the ones that can pass by themselves.
PASSING_ON_SQLITE = ("BUSY", "LOCKED", "IOERR", "FULL", "CANTOPEN", "READONLY", "PROTOCOL")


def first_line(error: BaseException | None) -> str:
    """What a database said, without its context."""
    return str(error).strip().split("\n", 1)[0]


def can_pass(error: DatabaseError | InterfaceError) -> bool:
    """Whether trouble may be over if one waits: a restart, a lock, a deadlock, a full disk."""
    name: str = getattr(error.__cause__, "sqlite_errorname", "")
    if name:
        return name.removeprefix("SQLITE_").startswith(PASSING_ON_SQLITE)
    return isinstance(error, OperationalError | InterfaceError) or is_read_only(error)


FULL_ON_POSTGRES = "53100"


def is_full(error: BaseException) -> bool:
    """Whether the database has no room left on its disk."""
    cause = error.__cause__
    if getattr(cause, "sqlite_errorname", "") == "SQLITE_FULL":
        return True
    return getattr(cause, "pgcode", None) == FULL_ON_POSTGRES


READ_ONLY = "25006"  # to Postgres an "internal" error


def is_read_only(error: BaseException) -> bool:
    """Whether we speak with a standby that is not promoted (yet): another one may answer next."""
    return getattr(error.__cause__, "pgcode", None) == READ_ONLY


# Postgres: undefined table, column or schema, no privilege, and what follows from a changed type.
BROKEN_ON_POSTGRES = ("42P01", "42703", "3F000", "42501", "42883", "42804", "428C9")
BROKEN_ON_SQLITE = ("no such table", "no such column", "has no column")


def is_broken(error: Exception) -> bool:
    """Whether a table is not as it was: gone, changed, or no longer ours to use. No wait helps."""
    if getattr(error.__cause__, "sqlite_errorname", "") == "SQLITE_ERROR":
        return any(sign in str(error) for sign in BROKEN_ON_SQLITE)
    return getattr(error.__cause__, "pgcode", None) in BROKEN_ON_POSTGRES
