"""Tables as somebody else's program has them: made and filled by plain SQL."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connections, transaction

WORDS = {"new": "NEW", "claimed": "TAKEN", "done": "DONE", "failed": "ERROR"}


class Table:
    """`goods`: id, name, status, result, error; in any alias."""

    def __init__(self, alias: str = "default", name: str = "goods") -> None:
        self.alias = alias
        self.name = name
        self.run(f"DROP TABLE IF EXISTS {name}")
        self.run(
            f"CREATE TABLE {name} (id bigint PRIMARY KEY, name text NOT NULL,"
            " status varchar(20) NOT NULL DEFAULT 'NEW', result text, error text)"
        )
        self.run(f"CREATE INDEX {name}_status ON {name} (status, id)")

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
