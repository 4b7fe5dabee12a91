"""Unusual names work; missing rights and unknown databases are named (B33, B34, B36)."""

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper

from processors.sources.inspection import inspect_source, preview
from processors.sources.introspection import (
    quoted_table,
    tables,
)
from tests.sources.inspected.conftest import a_source, problems, run

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


@pytest.mark.parametrize("name", ["Order", "select", "naïve é", "two words", "o'clock", "a;b"])
def test_b33_unusual_names_work(name: str) -> None:
    run(
        "shop",
        f'CREATE TABLE "{name}" ("{name}" integer PRIMARY KEY, "Status {name}" text)',
        f"""INSERT INTO "{name}" VALUES (1, 'NEW')""",
    )
    source = a_source(table=name, key=name, status=f"Status {name}", payload=[])

    found = inspect_source(source)

    assert found.problems == {}
    assert preview(source).rows == [["1", "NEW"]]


@pytest.mark.usefixtures("only_on_postgres")
def test_b33_a_name_longer_than_postgres_allows_says_so() -> None:
    assert problems(table="x" * 70)["table"] == [
        "A name has at most 63 bytes in PostgreSQL (this has 70)."
    ]


@pytest.mark.usefixtures("only_on_postgres")
def test_a_table_of_another_schema_is_named_with_it() -> None:
    run(
        "shop",
        'CREATE SCHEMA "Sales Ä"',
        'CREATE TABLE "Sales Ä"."Order" (id int PRIMARY KEY, status text)',
        """INSERT INTO "Sales Ä"."Order" VALUES (1, 'NEW')""",
    )

    assert "Sales Ä.Order" in tables("shop")
    assert quoted_table("shop", "Sales Ä.Order") == '"Sales Ä"."Order"'
    assert problems(table="Sales Ä.Order", payload=[]) == {}


@pytest.mark.usefixtures("only_on_postgres")
def test_b34_a_user_who_may_only_read_is_named(shop: BaseDatabaseWrapper) -> None:
    run("shop", "CREATE ROLE app_ro", "GRANT SELECT ON customer_order TO app_ro")
    run("shop", "SET LOCAL ROLE app_ro")

    assert problems()["table"] == ["User app_ro may read but not update shop.customer_order."]


@pytest.mark.usefixtures("only_on_postgres")
def test_b34_a_user_who_may_not_even_read_is_named(shop: BaseDatabaseWrapper) -> None:
    run("shop", "CREATE ROLE app_none", "SET LOCAL ROLE app_none")

    assert problems(key="ref")["table"] == ["User app_none may not read shop.customer_order."]


@pytest.mark.usefixtures("only_on_postgres")
def test_b34_row_level_security_is_a_warning(shop: BaseDatabaseWrapper) -> None:
    run(
        "shop",
        "ALTER TABLE customer_order ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY all_rows ON customer_order USING (true)",
        "CREATE ROLE app_rls",
        "GRANT SELECT, UPDATE ON customer_order TO app_rls",
        "SET LOCAL ROLE app_rls",
    )

    found = inspect_source(a_source())

    assert found.problems == {}
    assert any("Row-level security" in warning for warning in found.warnings)


def test_b36_an_unknown_alias_lists_the_known_ones() -> None:
    assert problems(database="erp") == {
        "database": ["Unknown database 'erp'. Configured: default, shop."]
    }


def test_b36_a_read_only_database_is_named(shop: BaseDatabaseWrapper, is_postgres: bool) -> None:
    if is_postgres:
        run("shop", "SET LOCAL default_transaction_read_only = on")
    else:
        run("shop", "PRAGMA query_only = 1")

    found = problems()
    if not is_postgres:
        run("shop", "PRAGMA query_only = 0")

    assert found == {"database": ["'shop' is read-only."]}
