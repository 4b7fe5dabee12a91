"""The preview: the next rows, the counts, the claim, and what is odd about them (B35)."""

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper

from processors.sources.inspection import InvalidSource, inspect_source, preview
from tests.sources.inspected.conftest import (
    a_source,
    run,
    with_orders,
)

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


def test_the_preview_shows_the_next_rows_the_counts_and_the_claim() -> None:
    with_orders("default")

    shown = preview(a_source(database="default", order=["-id"]), limit=1)

    assert shown.columns == ["id", "status", "customer", "amount"]
    assert shown.rows == [["2", "NEW", None, "5"]]
    assert shown.counts == {"NEW": 2, "DONE": 1}
    assert "'TAKEN'" in shown.sql


def test_the_preview_of_another_database_shows_that_it_only_reads(
    shop: BaseDatabaseWrapper,
) -> None:
    shown = preview(a_source(filter=[["ref", "=", "o'clock"]]))

    assert shown.sql.startswith("SELECT ")
    assert "'o''clock'" in shown.sql


def test_b35_new_rows_in_another_writing_are_named(shop: BaseDatabaseWrapper) -> None:
    run("shop", "UPDATE customer_order SET status = 'new'")

    shown = preview(a_source())

    assert shown.warnings == ["0 rows are 'NEW'; 3 are 'new'. Did you mean 'new'?"]


def test_a_table_that_is_done_with_gives_no_warning(shop: BaseDatabaseWrapper) -> None:
    run("shop", "UPDATE customer_order SET status = 'DONE'")

    shown = preview(a_source())

    assert (shown.warnings, shown.rows) == ([], [])


def test_b35_rows_without_a_status_are_counted(shop: BaseDatabaseWrapper) -> None:
    run("shop", "UPDATE customer_order SET status = NULL WHERE id = 3")

    shown = preview(a_source())

    assert shown.counts == {"NEW": 2, "(empty)": 1}
    assert shown.warnings == ["1 rows have no status and are never taken."]


@pytest.mark.usefixtures("only_on_postgres")
def test_b35_filling_blanks_are_no_part_of_a_word() -> None:
    run(
        "shop",
        "CREATE TABLE padded (id int PRIMARY KEY, status char(10))",
        "INSERT INTO padded VALUES (1, 'NEW')",
    )
    source = a_source(table="padded", payload=[])

    assert inspect_source(source).problems == {}
    assert preview(source).counts == {"NEW": 1}


def test_long_values_are_cut_in_the_preview(shop: BaseDatabaseWrapper) -> None:
    run("shop", f"UPDATE customer_order SET lines = '{'x' * 500}'")

    value = preview(a_source(payload=["lines"])).rows[0][2]

    assert value is not None
    assert len(value) == 200


def test_a_source_with_problems_has_no_preview(shop: BaseDatabaseWrapper) -> None:
    with pytest.raises(InvalidSource) as caught:
        preview(a_source(table="nothing"))

    assert "table" in caught.value.problems
