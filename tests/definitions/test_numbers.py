"""Numbers of a definition have ranges (B6 to B12), and so has the circuit breaker."""

from typing import Any

import pytest

from processors.definitions import InvalidDefinition, clean
from tests.definitions.conftest import a_definition, errors

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


@pytest.mark.parametrize(
    "value",
    [0, -1, 1.5, 5.0, "1e3", "１０", " 10 ", 2**63, float("nan"), True, "", [], "5\n"],  # noqa: RUF001
)
def test_b6_only_a_whole_number_in_range_is_a_batch_size(value: object) -> None:
    assert errors(batch_size=value) == {"batch_size": ["A whole number from 1 to 1000."]}


def test_b6_a_number_may_come_as_text_from_a_form() -> None:
    assert clean(a_definition(batch_size="5"))["batch_size"] == 5


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("parallelism", [1, 1000], [0, 1001]),
        ("concurrency", [1, 256], [0, 257]),
        ("record_timeout_seconds", [1, 86_400], [0, 86_401]),
        ("max_attempts", [1, 50], [0, 10**6]),
        ("records_per_cycle", [None, 1, 10**9], [0, 10**9 + 1]),
    ],
)
def test_b7_b9_b10_limits_have_ranges(field: str, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert clean(a_definition(**{field: value}))[field] == value
    for value in bad:
        assert list(errors(**{field: value})) == [field]


def test_b11_the_first_wait_is_not_longer_than_the_longest() -> None:
    found = errors(backoff={"base_seconds": 600, "cap_seconds": 300})

    assert found["backoff.base_seconds"] == [
        "The first wait (600 s) is longer than the longest (300 s)."
    ]


@pytest.mark.parametrize(
    "backoff",
    [
        {"cap_seconds": 0, "base_seconds": 0},
        {"base_seconds": -1},
        {"cap_seconds": 604_801},
        {"base_seconds": float("nan")},
        {"base": 1},
        5,
    ],
)
def test_b11_impossible_waits_are_refused(backoff: Any) -> None:
    assert errors(backoff=backoff)


@pytest.mark.parametrize("pause", [-1, 10 * 366 * 86_400, "5m", 0.1, True])
def test_b12_a_pause_has_a_range(pause: object) -> None:
    found = errors(trigger={"kind": "interval", "pause_seconds": pause})

    assert list(found) == ["trigger.pause_seconds"]


@pytest.mark.parametrize(
    ("breaker", "path"),
    [
        ([], None),
        ("off", "breaker"),
        ({"on": "no"}, "breaker.on"),
        ({"failures": 0}, "breaker.failures"),
        ({"failures": 200}, "breaker.failures"),
        ({"share_percent": 101}, "breaker.share_percent"),
        ({"crashes": "five"}, "breaker.crashes"),
        ({"failure": 5}, "breaker.failure"),
        ({"on": False, "failures": 3, "window": 10}, None),
    ],
)
def test_a_breaker_is_judged(breaker: object, path: str | None) -> None:
    definition = {
        "slug": "s",
        "handler": "handling.echo",
        "source": {"kind": "inbox"},
        "breaker": breaker,
    }

    try:
        refused = set()
        clean(definition)
    except InvalidDefinition as error:
        refused = set(error.errors)

    assert refused == ({path} if path else set())
