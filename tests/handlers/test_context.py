"""What a handler is given beside its record."""

import pytest

from processors import Context, handler
from processors.handlers.context import KEY_LENGTH, Outgoing, fitting, idempotency_key
from processors.handlers.contract import Record
from processors.testing import run_handler


@handler("Publishes without a key")
def publishes(record: Record, context: Context) -> None:
    context.publish("next", {})
    context.publish("next", {})


@pytest.mark.parametrize("key", ["A-17", "a/b?c=d&e#f", "INV_2026.11:~(4)"])
def test_an_idempotency_key_holds_an_ordinary_key_as_it_is(key: str) -> None:
    assert idempotency_key("p", key, 1) == f"p:{key}:1"


@pytest.mark.parametrize("key", ["Köln", "🙂", "two\nlines", "\u200b", " lead", "100%"])
def test_an_idempotency_key_can_be_sent_as_a_header(key: str) -> None:
    sent = idempotency_key("p", key, 1)

    assert sent.isascii()
    assert sent.isprintable()
    assert " " not in sent


def test_no_two_records_have_one_idempotency_key() -> None:
    keys = ["ü", "%C3%BC", "%25C3%25BC", "u", "ü:1"]

    assert len({idempotency_key("p", key, 1) for key in keys}) == len(keys)


def test_what_is_published_without_a_key_has_one_that_an_inbox_takes() -> None:
    published: list[Outgoing] = []

    run_handler(publishes, key="京" * KEY_LENGTH, published=published)

    keys = [key for _topic, _payload, key in published]
    assert len(set(keys)) == 2
    assert {len(key) for key in keys} == {KEY_LENGTH}


def test_a_made_key_that_fits_stays_as_it_is() -> None:
    assert fitting("k" * KEY_LENGTH) == "k" * KEY_LENGTH
    assert fitting("k" * KEY_LENGTH + "a") != fitting("k" * KEY_LENGTH + "b")
