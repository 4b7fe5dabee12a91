"""Which tables and key columns are refused, and in which words (B25-B30)."""

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper

from processors.sources.inspection import inspect_source
from tests.sources.inspected.conftest import (
    a_source,
    problems,
    run,
)

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


SYSTEM_TABLES = "Tables of Django, Postgres and of this app can't be sources."


@pytest.mark.parametrize(
    "name", ["orders; DROP TABLE x", '"customer_order"', "customer_order--", "a.b.c.d", "", None, 7]
)
def test_b25_a_table_that_introspection_does_not_list_is_refused(
    shop: BaseDatabaseWrapper, name: object
) -> None:
    assert problems(table=name)["table"]


@pytest.mark.parametrize(
    "name",
    [
        "pg_catalog.pg_authid",
        "pg_authid",
        "information_schema.tables",
        "sqlite_master",
        "auth_user",
        "django_session",
        "processors_record",
    ],
)
def test_b25_tables_of_django_postgres_and_this_app_are_refused(name: str) -> None:
    assert problems(database="default", table=name)["table"] == [SYSTEM_TABLES]


def test_b26_a_missing_table_names_similar_ones(shop: BaseDatabaseWrapper) -> None:
    assert problems(table="customer_ordr")["table"] == [
        "Table 'customer_ordr' isn't in database 'shop'. Similar: customer_order."
    ]


def test_b27_a_view_is_refused(shop: BaseDatabaseWrapper) -> None:
    run("shop", "CREATE VIEW recent AS SELECT * FROM customer_order")

    assert problems(table="recent")["table"] == [
        "A source must be a table that can be updated. 'recent' is a view."
    ]


@pytest.mark.usefixtures("only_on_postgres")
def test_b27_a_partitioned_table_is_allowed_after_a_test_claim() -> None:
    run(
        "shop",
        "CREATE TABLE parted (id int PRIMARY KEY, status text) PARTITION BY RANGE (id)",
        "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10)",
        "INSERT INTO parted VALUES (1, 'NEW')",
    )

    assert problems(table="parted", payload=[]) == {}


def test_b28_duplicate_and_empty_keys_are_counted(shop: BaseDatabaseWrapper) -> None:
    run(
        "shop",
        "UPDATE customer_order SET ref = 'X' WHERE id < 3",
        "UPDATE customer_order SET ref = NULL WHERE id = 3",
        "INSERT INTO customer_order (id, status, ref) VALUES (4, 'NEW', ''), (5, 'NEW', 'X')",
    )

    assert problems(key="ref")["key"] == [
        "Column 'ref' has 2 duplicate and 2 empty values; a key must be unique and filled."
    ]


def test_b28_a_key_that_nothing_keeps_unique_is_a_warning(shop: BaseDatabaseWrapper) -> None:
    found = inspect_source(a_source(key="ref"))

    assert found.problems == {}
    assert "Nothing in the database keeps 'ref' unique; add a unique index." in found.warnings


@pytest.mark.parametrize("kind", ["float", "timestamp", "numeric(5,2)"])
def test_b29_a_key_of_an_inexact_type_is_refused(kind: str) -> None:
    run("shop", f"CREATE TABLE odd (k {kind} PRIMARY KEY, status text)")

    [sentence] = problems(table="odd", key="k", payload=[])["key"]

    assert sentence.startswith("Choose one column of text, whole number or UUID.")


def test_b29_a_composite_key_is_refused(shop: BaseDatabaseWrapper) -> None:
    [sentence] = problems(key=["id", "ref"])["key"]

    assert sentence == "Choose one column of text, whole number or UUID."


@pytest.mark.usefixtures("only_on_postgres")
def test_a_uuid_is_a_key() -> None:
    run("shop", "CREATE TABLE named (id uuid PRIMARY KEY, status text)")

    found = inspect_source(a_source(table="named", payload=[]))

    assert found.problems == {}
    assert found.normal["key_type"] == "uuid"


def test_b30_key_and_status_must_differ(shop: BaseDatabaseWrapper) -> None:
    assert problems(key="status")["key"] == ["Key and status must be different columns."]
