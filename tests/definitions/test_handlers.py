"""The handler of a definition and its options (B13 to B16)."""

from typing import Any

import pytest

from processors.definitions import clean
from processors.handlers import registry
from processors.models.processor import Processor
from tests.definitions.conftest import a_definition, errors

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


@pytest.mark.parametrize("handler", ["os.system", "a.b.c", "handlers.Order; DROP", 7])
def test_b13_an_unknown_handler_lists_the_known_ones(handler: object) -> None:
    [sentence] = errors(handler=handler)["handler"]

    assert sentence.startswith(f"Unknown handler '{handler}'. Choose one of: ")
    assert "sample.book, sample.pay, sample.send" in sentence


def test_b14_a_handler_that_was_removed_says_so() -> None:
    processor = Processor(pk=1, slug="orders", name="Orders", handler="sample.old")

    found = errors(existing=processor, handler="sample.old")

    assert found["handler"] == ["Handler 'sample.old' is no longer installed on this server."]


def test_b13_a_handler_of_an_app_that_cannot_be_imported_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(registry.failures, "shop", "No module named 'lxml'")

    assert errors(handler="shop.send")["handler"] == [
        "The handlers of app 'shop' could not be imported: No module named 'lxml'."
    ]


def test_b15_broken_json_is_located() -> None:
    [sentence] = errors(options='{\n "a": }')["options"]

    assert "line 2, column 7" in sentence


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ([1], "options"),
        ({"retries": "many"}, "options.retries"),
        ({"retrys": 3}, "options.retrys"),
    ],
)
def test_b15_options_must_fit_the_handler(options: Any, path: str) -> None:
    assert list(errors(options=options)) == [path]


def test_b16_a_secret_is_named_not_written() -> None:
    assert errors(options={"api_key": "s3cr3t"})["options.api_key"] == [
        "Put secrets into the environment and name them here (env:NAME)."
    ]
    assert clean(a_definition(options={"api_key": "env:PARTNER_KEY"}))["options"]["api_key"]
