"""Orders in the real database of this run, and what is said of a source over them (FAULTS 5.2)."""

from typing import Any

import pytest
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from processors.sources.inspection import inspect_source

CUSTOMER_ORDER = """
CREATE TABLE customer_order (
  id integer NOT NULL PRIMARY KEY, status varchar(10), amount integer, customer varchar(40),
  ref varchar(20), lines text, doubled integer GENERATED ALWAYS AS (amount * 2) STORED)
"""


@pytest.fixture
def is_postgres() -> bool:
    return connections["shop"].vendor == "postgresql"


@pytest.fixture
def only_on_postgres(is_postgres: bool) -> None:
    if not is_postgres:
        pytest.skip("SQLite has no such thing")


@pytest.fixture
def shop() -> BaseDatabaseWrapper:
    """The database 'shop' with three orders, two of them new."""
    return with_orders("shop")


def with_orders(alias: str) -> BaseDatabaseWrapper:
    connection = connections[alias]
    run(alias, CUSTOMER_ORDER)
    rows = [(1, "NEW", "A-1"), (2, "NEW", "A-2"), (3, "DONE", "A-3")]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO customer_order (id, status, amount, ref) VALUES (%s, %s, 5, %s)", rows
        )
    return connection


def run(alias: str, *statements: str) -> None:
    with connections[alias].cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def rows(alias: str, sql: str) -> list[Any]:
    with connections[alias].cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def a_source(**changes: Any) -> dict[str, Any]:
    return {
        "kind": "table",
        "database": "shop",
        "table": "customer_order",
        "key": "id",
        "status": "status",
        "words": {"new": "NEW", "claimed": "TAKEN", "done": "DONE", "failed": "ERROR"},
        "payload": ["customer", "amount"],
        **changes,
    }


def words(**changes: Any) -> dict[str, Any]:
    return {**a_source()["words"], **changes}


def problems(**changes: Any) -> dict[str, list[str]]:
    return inspect_source(a_source(**changes)).problems
