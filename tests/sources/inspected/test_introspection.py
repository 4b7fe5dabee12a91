"""What introspection finds in a real database: databases, tables, columns, indexes."""

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper

from processors.sources.introspection import (
    UnusableName,
    aliases,
    columns,
    indexes,
    quoted_table,
    tables,
)
from tests.sources.inspected.conftest import run

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


def test_the_configured_databases_are_listed_with_default_first() -> None:
    assert aliases() == ["default", "shop"]


def test_only_tables_of_the_user_are_listed(shop: BaseDatabaseWrapper) -> None:
    run("shop", "CREATE VIEW recent AS SELECT * FROM customer_order")
    run("default", "CREATE TABLE own_things (id integer PRIMARY KEY)")

    assert "customer_order" in tables("shop")
    assert "recent" not in tables("shop")
    assert "own_things" in tables("default")
    assert not [name for name in tables("default") if name.startswith(("processors_", "auth_"))]


def test_columns_are_described(shop: BaseDatabaseWrapper) -> None:
    found = {column.name: column for column in columns("shop", "customer_order")}

    assert found["id"].kind == "integer"
    assert found["id"].unique
    assert not found["id"].nullable
    assert found["status"].length == 10
    assert found["status"].nullable
    assert found["doubled"].generated
    assert not found["amount"].generated


def test_indexes_are_found_by_first_column_and_condition(shop: BaseDatabaseWrapper) -> None:
    run("shop", "CREATE INDEX waiting ON customer_order (id) WHERE status = 'NEW'")

    assert any("status" in index.condition for index in indexes("shop", "customer_order"))


def test_a_name_with_a_quotation_mark_is_never_quoted() -> None:
    for name in ('a"; DROP TABLE x; --', "100%s", "", "a\x00b"):
        with pytest.raises(UnusableName):
            quoted_table("shop", name)
