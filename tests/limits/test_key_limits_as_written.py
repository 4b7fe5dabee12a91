"""Limits by a key: how they are written, where a key is found, and what is refused."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from processors.definitions import InvalidDefinition, clean, dump
from processors.models import Processor
from processors.rates import InvalidRate, Rate
from tests.limits.conftest import BY_CUSTOMER
from tests.stories import define, fill_inbox
from tests.tables import Table

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize(
    ("text", "usual"),
    [
        ("5/min by customer", "5/min by customer"),
        (" 1,000 / h  by  payload.customer.id ", "1000/h by customer.id"),
        ("5/s by key", "5/s by key"),
        ("5/s by payload.key", "5/s by payload.key"),
        ("5/s by payload", "5/s by payload"),
        ("5/s by payload.payload", "5/s by payload.payload"),
        ("5/s by Kunden Nr", "5/s by Kunden Nr"),
    ],
)
def test_a_limit_by_a_key_reads_as_it_is_written(text: str, usual: str) -> None:
    assert str(Rate.parse(text)) == usual
    assert str(Rate.parse(usual)) == usual


@pytest.mark.parametrize(
    "text",
    ["5/min by", "5/min by ", "5/minby x", "5/min by a..b", "5/min by .", "5/min by \x00",
     "5/min by " + "a" * 101, "by customer", "5/min per customer"],
)  # fmt: skip
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidRate):
        Rate.parse(text)


@pytest.mark.parametrize(
    ("by", "value"),
    [
        ("customer.id", "7"),
        ("items.1", "b"),
        ("items.9", ""),
        ("customer", '{"id": 7}'),
        ("missing", ""),
        ("nothing", ""),
        ("name.first", ""),
        ("yes", "True"),
        ("key", "k-1"),
        ("payload.key", "inside"),
    ],
)
def test_a_key_is_found_in_the_payload(by: str, value: str) -> None:
    payload = {
        "customer": {"id": 7}, "items": ["a", "b"], "nothing": None, "name": "x", "yes": True,
        "key": "inside",
    }  # fmt: skip

    assert Rate.parse(f"5/s by {by}").value("k-1", payload) == value


def test_long_keys_stay_different() -> None:
    rate = Rate.parse("5/s by name")

    one, other = (rate.value("", {"name": "x" * 500 + end}) for end in "ab")

    assert one != other
    assert len(one) == len(other) == 200


def test_a_definition_keeps_its_limits_by_key() -> None:
    processor = define("echo", rate_limits=["10/s", BY_CUSTOMER, "5/min by region"])

    assert dump(processor)["rate_limits"] == ["10/s", BY_CUSTOMER, "5/min by region"]


@pytest.mark.parametrize(
    ("source", "limit", "said"),
    [
        ({}, "5/min by custmer", "no column 'custmer'"),
        ({}, "5/min by status", "no column 'status'"),
    ],
)
def test_a_column_that_is_not_in_the_payload_is_refused(
    source: Mapping[str, Any], limit: str, said: str
) -> None:
    table = Table()

    assert said in refused(source={**table.source(payload=["name"]), **source}, limits=[limit])
    assert refused(source=table.source(payload=["name"]), limits=["5/min by name"]) == ""
    assert refused(source=table.source(), limits=["5/min by key"]) == ""
    table.drop()


def test_a_field_that_no_record_has_is_refused() -> None:
    processor = define("echo", rate_limits=["5/min by region"])
    fill_inbox(processor, {"a": {"client": 1}})

    said = refused(limits=["9/h by customer.id"], existing=processor)

    assert "none of the newest 1 records has a field 'customer.id'" in said
    assert "client" in said
    assert refused(limits=["9/h by client"], existing=processor) == ""
    assert refused(limits=["9/h by region"], existing=processor) == ""


def refused(
    limits: Sequence[str],
    source: Mapping[str, Any] | None = None,
    existing: Processor | None = None,
) -> str:
    data = {"slug": "story", "name": "Story", "handler": "handling.echo"}
    given = {**data, "source": source or {"kind": "inbox"}, "rate_limits": limits}
    try:
        clean(given, existing=existing)
    except InvalidDefinition as error:
        return " ".join(error.errors["rate_limits"])
    return ""
