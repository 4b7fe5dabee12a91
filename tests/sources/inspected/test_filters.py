"""Filters and the other columns: only what names a column and fits it (B38, B39)."""

from typing import Any

import pytest
from django.db.backends.base.base import BaseDatabaseWrapper

from processors.sources.inspection import preview
from tests.sources.inspected.conftest import (
    a_source,
    problems,
)

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


@pytest.mark.parametrize(
    "line",
    [
        "1=1; DELETE FROM customer_order",
        {"_connector": "OR 1=1"},
        ["amount", "OR 1=1 --", 1],
        ["amount", "like", "%"],
        ["amount) OR (1=1", "=", 1],
        ["amount__gt", "=", 1],
        ["amount", "="],
        ["amount", "is null", 3],
        ["amount", "in", []],
        ["amount", "in", "1, 2"],
        ["amount", ">", "many"],
        ["amount", ">", {"$gt": 0}],
        ["amount", ">", True],
        ["amount", ">", 2**70],
        [["amount"], "=", 1],
        ["amount", ["="], 1],
    ],
)
def test_b38_b39_only_column_operator_value_is_a_filter(
    shop: BaseDatabaseWrapper, line: object
) -> None:
    assert list(problems(filter=[line])) == ["filter"]


def test_b38_a_text_is_no_filter(shop: BaseDatabaseWrapper) -> None:
    assert list(problems(filter="1=1; DELETE FROM customer_order")) == ["filter"]


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        (["id", "!=", "1"], ["2"]),
        (["id", "in", [2, "3"]], ["2"]),
        (["customer", "IS  NULL", None], ["1", "2"]),
        (["customer", "is not null"], []),
        (["ref", "<=", "A-1"], ["1"]),
    ],
)
def test_each_operator_selects(shop: BaseDatabaseWrapper, line: list[Any], keys: list[str]) -> None:
    shown = preview(a_source(filter=[line]))

    assert [row[0] for row in shown.rows] == keys


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"payload": ["custmer"]}, "payload"),
        ({"payload": "customer"}, "payload"),
        ({"payload": ["amount", "amount"]}, "payload"),
        ({"payload": [7]}, "payload"),
        ({"result": "amount"}, "result"),
        ({"result": "status"}, "result"),
        ({"result": "doubled"}, "result"),
        ({"error": "nothing"}, "error"),
        ({"result": "lines", "error": "lines"}, "error"),
        ({"order": ["nothing"]}, "order"),
        ({"order": "id"}, "order"),
        ({"words": "NEW"}, "words"),
    ],
)
def test_columns_that_do_not_fit_are_refused(
    shop: BaseDatabaseWrapper, changes: dict[str, Any], path: str
) -> None:
    assert list(problems(**changes)) == [path]
