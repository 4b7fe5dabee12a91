"""A connection beside the product's, and the table that is drained: `goods`."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import psycopg2

from benchmarks.labour import body

NEW, TAKEN, DONE = "NEW", "TAKEN", "DONE"
BUSY_SECONDS = 60
BATCH = 500  # records that the bare loop and the rivals' batches take at once


class Database:
    """Postgres or SQLite by its URL; one transaction to a `with transaction()`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_postgres = url.startswith("postgres")

    @cached_property
    def connection(self) -> Any:
        """Autocommitting; SQLite as durable as the product has it."""
        if self.is_postgres:
            connection: Any = psycopg2.connect(self.url)
            connection.autocommit = True
            return connection
        path = self.url.removeprefix("sqlite:///")
        lite = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        lite.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;")
        return lite

    def run(self, sql: str, params: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
        """A statement with `%s` marks; its rows where it has any."""
        cursor = self.connection.cursor()
        if self.is_postgres:
            cursor.execute(sql, params)
        else:
            cursor.execute(sql.replace("%s", "?"), params or ())
        return list(cursor.fetchall()) if cursor.description else []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit at its end, roll back when it fails."""
        self.run("BEGIN" if self.is_postgres else "BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.run("ROLLBACK")
            raise
        self.run("COMMIT")

    def settle_down(self) -> None:
        """Leave no cleaning-up of the preparation to what is measured."""
        if self.is_postgres:
            self.run("VACUUM ANALYZE")
            self.run("CHECKPOINT")
        else:
            self.run("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self.connection.close()


MAKE = """
CREATE TABLE IF NOT EXISTS goods
       (id bigint PRIMARY KEY, body text NOT NULL, status varchar(10) NOT NULL, result text)
"""
MAKE_INDEX = "CREATE INDEX IF NOT EXISTS goods_new ON goods (id) WHERE status = 'NEW'"
# The same text as labour.body().
FILL_POSTGRES = """
INSERT INTO goods (id, body, status)
SELECT n, left(repeat(md5(n::text), 10), 300), %s FROM generate_series(%s, %s) AS n
"""
FILL_SQLITE = "INSERT INTO goods (id, body, status) VALUES (?, ?, ?)"


class Goods:
    """A table as somebody else's program has it: id, body, status, result."""

    def __init__(self, database: Database) -> None:
        self.database = database
        database.run(MAKE)
        database.run(MAKE_INDEX)

    def empty(self) -> None:
        self.database.run("TRUNCATE goods" if self.database.is_postgres else "DELETE FROM goods")

    def refill(self, count: int) -> None:
        """Rows 1 to `count`, new, and nothing else."""
        self.empty()
        self.add(1, count)
        self.database.settle_down()

    def add(self, first: int, last: int, status: str = NEW) -> None:
        """Rows from `first` to `last`, both included."""
        if self.database.is_postgres:
            self.database.run(FILL_POSTGRES, [status, first, last])
            return
        with self.database.transaction():
            rows = ((n, body(n), status) for n in range(first, last + 1))
            self.database.connection.cursor().executemany(FILL_SQLITE, rows)

    def statuses(self) -> dict[str, int]:
        """Status → number of rows."""
        return dict(self.database.run("SELECT status, count(*) FROM goods GROUP BY status"))

    def results(self) -> dict[str, str | None]:
        """Key as text → result."""
        return {
            str(key): result for key, result in self.database.run("SELECT id, result FROM goods")
        }

    def is_done(self) -> bool:
        """Whether every row is; asked often, so the cheap question comes first."""
        ask = "SELECT 1 FROM goods WHERE {} LIMIT 1"
        if self.database.run(ask.format(f"status = '{NEW}'")):
            return False
        return not self.database.run(ask.format(f"status <> '{DONE}'"))
