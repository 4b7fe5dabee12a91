"""A good source is completed and leaves no trace; all that is wrong or doubtful is told at once."""

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper

from processors.sources.inspection import inspect_source
from tests.sources.inspected.conftest import (
    a_source,
    problems,
    rows,
    run,
    with_orders,
    words,
)

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


def test_a_good_source_is_completed_with_defaults(shop: BaseDatabaseWrapper) -> None:
    found = inspect_source(
        {"kind": "table", **{k: a_source()[k] for k in ("database", "table", "key", "status")}}
    )

    assert found.problems == {}
    assert found.normal["mode"] == "C"
    assert found.normal["key_type"] == "integer"
    assert found.normal["status_type"] == "text"
    assert found.normal["words"] == words(claimed=None)
    assert found.normal["payload"] == ["amount", "customer", "ref", "lines", "doubled"]
    assert found.normal["result"] is None
    assert found.normal["filter"] == []


def test_a_table_in_our_own_database_is_claimed_in_our_transaction() -> None:
    with_orders("default")

    found = inspect_source(a_source(database="default"))

    assert found.problems == {}
    assert found.normal["mode"] == "A"
    assert found.normal["words"] == words()


def test_inspecting_twice_gives_the_same(shop: BaseDatabaseWrapper) -> None:
    once = inspect_source(a_source(filter=[["amount", ">", "0"]], order=["-amount"]))

    twice = inspect_source(once.normal)

    assert twice.problems == {}
    assert twice.normal == once.normal


def test_the_test_claim_leaves_no_trace() -> None:
    with_orders("default")
    before = rows("default", "SELECT * FROM customer_order ORDER BY id")

    assert not inspect_source(a_source(database="default")).problems

    assert rows("default", "SELECT * FROM customer_order ORDER BY id") == before


def test_an_unknown_field_names_the_one_that_was_meant(shop: BaseDatabaseWrapper) -> None:
    assert problems(filtre=[])["filtre"] == ["Unknown field 'filtre'. Did you mean 'filter'?"]


def test_all_problems_are_told_at_once(shop: BaseDatabaseWrapper) -> None:
    found = problems(key="nothing", payload=["custmer"], words=words(done=""), result="amount")

    assert set(found) == {"key", "payload", "words.done", "result"}


def test_no_new_row_is_a_warning(shop: BaseDatabaseWrapper) -> None:
    run("shop", "DELETE FROM customer_order")

    found = inspect_source(a_source())

    assert found.problems == {}
    assert found.warnings == ["No row is 'NEW' now, so the claim was checked without one."]


def test_a_large_table_without_an_index_on_status_is_a_warning(
    shop: BaseDatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processors.sources.indexing.SCAN_WARNING_ROWS", 2)
    [warning] = inspect_source(a_source()).warnings
    statement = warning.partition("add: ")[2]

    run("shop", statement)

    assert warning.startswith("Claiming will scan the table; add: CREATE INDEX")
    assert inspect_source(a_source()).warnings == []
