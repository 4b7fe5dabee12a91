"""Tables as somebody else's program has them: made and filled by plain SQL."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connections, transaction

WORDS = {"new": "NEW", "claimed": "TAKEN", "done": "DONE", "failed": "ERROR"}


class Table:
    """`goods`: id, name, status, result, error; in any alias.

    Elsewhere a status of 20 characters has room for a mark (mode B), one of 8 has not (mode C).
    """

    def __init__(
        self, alias: str = "default", name: str = "goods", *, status_length: int = 20
    ) -> None:
        self.alias = alias
        self.name = name
        self.run(f"DROP TABLE IF EXISTS {name}")
        self.run(
            f"CREATE TABLE {name} (id bigint PRIMARY KEY, name text NOT NULL,"
            f" status varchar({status_length}) NOT NULL DEFAULT 'NEW', result text, error text)"
        )
        self.run(f"CREATE INDEX {name}_status ON {name} (status, id)")

    @classmethod
    def existing(cls, alias: str = "default", name: str = "goods") -> "Table":
        """The table as it is, with its rows."""
        table = cls.__new__(cls)
        table.alias, table.name = alias, name
        return table

    def run(self, sql: str, params: Sequence[Any] = ()) -> None:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(sql, list(params))

    def fetch(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(sql, list(params))
            return list(cursor.fetchall())

    def fill(self, keys: Iterable[int]) -> None:
        rows = [(key, f"ware {key}") for key in keys]
        with transaction.atomic(using=self.alias), connections[self.alias].cursor() as cursor:
            cursor.executemany(f"INSERT INTO {self.name} (id, name) VALUES (%s, %s)", rows)

    def statuses(self) -> dict[str, int]:
        return dict(self.fetch(f"SELECT status, count(*) FROM {self.name} GROUP BY status"))

    def status(self, key: int) -> str:
        return str(self.fetch(f"SELECT status FROM {self.name} WHERE id = %s", [key])[0][0])

    def set_status(self, key: int, status: str) -> None:
        self.run(f"UPDATE {self.name} SET status = %s WHERE id = %s", [status, key])

    def drop(self) -> None:
        self.run(f"DROP TABLE {self.name}")

    def source(self, **more: Any) -> dict[str, Any]:
        return {
            "kind": "table",
            "database": self.alias,
            "table": self.name,
            "key": "id",
            "status": "status",
            "words": WORDS,
            "payload": ["name"],
            **more,
        }
