"""The contract between a handler and the machine."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

import pytest
from django import forms

from processors import Context, Reject, Retry, Skip, handler
from processors.forms.options import shown_values
from processors.handlers import InvalidOptions, Record, registry
from processors.handlers.contract import InvalidHandler
from processors.testing import run_handler


@dataclass
class Choices:
    currency: Literal["EUR", "USD"]
    retries: int = 3
    strict: bool = False


class ChoiceForm(forms.Form):
    url = forms.URLField(assume_scheme="https")


class LateForm(forms.Form):
    day = forms.DateField(initial=lambda: date(2026, 11, 21))


@handler("For the contract", options=Choices)
def with_options(record: Record, context: Context) -> Any:
    return {"currency": context.options.currency, "retries": context.options.retries}


@handler("With a form", options=ChoiceForm)
def with_form(record: Record, context: Context) -> Any:
    return context.options["url"]


@handler("With a default that is asked for late", options=LateForm)
def with_late_default(record: Record, context: Context) -> str:
    return str(context.options["day"])


@handler("Says what the payload says")
def sayer(record: Record, context: Context) -> Any:
    word = record.payload["say"]
    context.log(f"saying {word}")
    if word == "publish":
        context.publish("next", {"a": 1})
        context.publish("next", {"a": 2})
    return {
        "skip": Skip("no need"),
        "retry": Retry("later", after=timedelta(minutes=1)),
        "reject": Reject("never"),
        "object": object(),
        "nul": "a\x00",
        "text": "\\u0000",
    }.get(word, word)


def test_options_are_given_as_they_were_declared() -> None:
    assert run_handler(with_options, options={"currency": "EUR"}).result == {
        "currency": "EUR",
        "retries": 3,
    }
    assert run_handler(with_form, options={"url": "https://x.org"}).result == "https://x.org"


def test_a_default_may_be_a_function() -> None:
    assert run_handler(with_late_default).result == "2026-11-21"
    assert shown_values(registry.find("tests.with_late_default"), {}) == {
        "option_day": "2026-11-21"
    }


@pytest.mark.parametrize(
    ("options", "name", "sentence"),
    [
        ({"currency": "GBP"}, "currency", "not one of the available choices"),
        ({}, "currency", "required"),
        ({"currency": "EUR", "retrys": 1}, "retrys", "did you mean 'retries'"),
        ({"currency": "EUR", "retries": "many"}, "retries", "whole number"),
        ({"currency": "EUR", "retries": [1]}, "retries", "must be a number"),
    ],
)
def test_wrong_options_are_refused_by_name(
    options: dict[str, Any], name: str, sentence: str
) -> None:
    with pytest.raises(InvalidOptions) as refused:
        run_handler(with_options, options=options)

    assert sentence in " ".join(refused.value.errors[name])


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("skip", "skipped"),
        ("retry", "retry"),
        ("reject", "dead"),
        ("object", "dead"),
        ("nul", "dead"),
        ("text", "done"),
        ("fine", "done"),
    ],
)
def test_what_a_handler_returns_is_its_outcome(word: str, kind: str) -> None:
    outcome = run_handler(sayer, payload={"say": word})

    assert outcome.kind == kind
    assert outcome.log == [f"saying {word}"]


def test_an_exception_is_a_retry_with_its_traceback() -> None:
    outcome = run_handler(sayer, payload={})

    assert (outcome.kind, outcome.error_type) == ("retry", "KeyError")
    assert "test_contract.py" in outcome.traceback


def test_the_wait_of_a_retry_is_in_seconds() -> None:
    assert run_handler(sayer, payload={"say": "retry"}).after == 60


def test_what_is_published_has_keys_that_a_retry_repeats() -> None:
    first: list[Any] = []
    second: list[Any] = []

    run_handler(sayer, payload={"say": "publish"}, published=first)
    run_handler(sayer, payload={"say": "publish"}, published=second, attempt=2)

    assert first == second
    assert len({key for _, _, key in first}) == 2


def test_a_handler_is_named_after_its_app_and_function() -> None:
    assert registry.find("handling.echo") is not None
    assert registry.find("os.system") is None


def test_a_handler_whose_promise_could_not_be_kept_is_refused() -> None:
    async def coroutine(record: Record, context: Context) -> None: ...

    with pytest.raises(InvalidHandler, match="async"):
        handler("x", effects="database")(coroutine)
    with pytest.raises(InvalidHandler, match="batch"):
        handler("x", effects="unrepeatable", batch=True)(sayer)
    with pytest.raises(InvalidHandler, match="choose one of"):
        handler("x", effects="magic")  # type: ignore[arg-type]


def test_a_chatty_handler_does_not_fill_the_history() -> None:
    @handler("Chatty")
    def chatty(record: Record, context: Context) -> None:
        for n in range(10_000):
            context.log(f"line {n}")

    assert len(run_handler(chatty).log) == 201


def test_an_async_handler_can_be_tried_inside_a_running_loop() -> None:
    @handler("Asynchronous")
    async def asynchronous(record: Record, context: Context) -> str:
        await asyncio.sleep(0)
        return record.key

    async def inside() -> str:
        return str(run_handler(asynchronous, key="k").result)

    with ThreadPoolExecutor(max_workers=1) as thread:  # a browser test may have left a loop in ours
        assert thread.submit(asyncio.run, inside()).result() == "k"
