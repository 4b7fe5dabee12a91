"""What handlers of every kind publish, and what becomes of them where that cannot be."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection

from processors import publishing
from processors.cycle import audience
from processors.handlers import Context, Effects, Handler, registry
from processors.handlers import Record as Given
from processors.models import Attempt, Processor, Record
from tests.stories import counters, define, fill_inbox, numbered, run_here

pytestmark = pytest.mark.django_db(transaction=True)

NAME = "handling.talking"
Talking = Callable[[Callable[..., Any], Effects], Processor]


def speak(record: Given, context: Context) -> None:
    context.publish(record.payload.get("to", "next"), {}, key=record.key)


async def speak_async(record: Given, context: Context) -> None:
    speak(record, context)


@pytest.fixture
def talking(transactional_db: None) -> Iterator[Talking]:
    """A processor with this handler, beside one that listens."""

    def made(function: Callable[..., Any], effects: Effects) -> Processor:
        registry.add(Handler(NAME, "Talk", function, effects, None))
        define("echo", slug="next", name="Next")
        concurrency = 1 if effects == "database" else 2
        return define("talking", concurrency=concurrency)

    yield made
    registry._handlers.pop(NAME, None)


def arrived() -> set[str]:
    return set(Record.objects.filter(processor__slug="next").values_list("key", flat=True))


def is_in_a_loop() -> bool:
    """Where Django refuses to ask a database, unless told otherwise: the browser's tests do."""
    try:
        return asyncio.get_running_loop() is not None
    except RuntimeError:
        return False


def test_what_a_coroutine_publishes_arrives(
    talking: Talking, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor = talking(speak_async, "outside")
    fill_inbox(processor, numbered(3) | {"lost": {"to": "nobody"}})
    find, in_a_loop = publishing.find_listeners, list[bool]()

    def noted(*given: Any, **more: Any) -> Any:
        in_a_loop.append(is_in_a_loop())
        return find(*given, **more)

    monkeypatch.setattr(publishing, "find_listeners", noted)
    run = run_here(processor)

    assert set(in_a_loop) == {False}
    assert counters(run) == {"claimed": 4, "done": 3, "retried": 1}
    assert arrived() == set(numbered(3))
    assert "UnknownTarget" in Attempt.objects.get().error_type


def test_what_must_not_be_repeated_is_parked_where_nobody_listens(talking: Talking) -> None:
    processor = talking(speak, "unrepeatable")
    fill_inbox(processor, {"lost": {"to": "nobody"}})

    run = run_here(processor)

    assert counters(run) == {"claimed": 1, "parked": 1}


def test_a_database_in_trouble_while_a_publication_is_checked_costs_no_attempt(
    talking: Talking, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare = publishing.prepare

    def troubled(target: str, payload: Any, key: str) -> Any:
        if key != "hit":
            return prepare(target, payload, key)
        connection.errors_occurred = True
        raise OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(publishing, "prepare", troubled)
    processor = talking(speak, "outside")
    fill_inbox(processor, numbered(3) | {"hit": {}})

    run = run_here(processor)

    assert counters(run) == {"claimed": 4, "done": 3, "retried": 1}
    assert Attempt.objects.get().error_type == "NotNow"
    assert Record.objects.get(key="hit").attempts == 0
    assert arrived() == set(numbered(3))


def test_who_listens_is_asked_once_for_many_records(
    talking: Talking, monkeypatch: pytest.MonkeyPatch
) -> None:
    find, asked = publishing.find_listeners, list[str]()

    def noted(target: str, *, keep: bool = False) -> list[Processor]:
        asked.extend([target] * (not keep))
        return find(target, keep=keep)

    monkeypatch.setattr(publishing, "find_listeners", noted)
    monkeypatch.setattr(audience, "REMEMBERED_SECONDS", 600.0)
    processor = talking(speak, "database")
    fill_inbox(processor, numbered(20))
    asked.clear()

    run = run_here(processor)

    assert counters(run) == {"claimed": 20, "done": 20}
    assert arrived() == set(numbered(20))
    assert asked == ["next"]


@pytest.mark.parametrize("target", ["a\x00b", "\ud800", ["next"], None, ""])
def test_a_name_that_nothing_can_have_is_one_that_nobody_listens_to(
    talking: Talking, target: Any
) -> None:
    """A mistake of the handler's, not the end of its worker."""

    def speak_to_it(record: Given, context: Context) -> None:
        context.publish(target if record.key == "bad" else "next", {}, key=record.key)

    processor = talking(speak_to_it, "outside")
    fill_inbox(processor, numbered(2) | {"bad": {}})

    run = run_here(processor)

    assert counters(run) == {"claimed": 3, "done": 2, "retried": 1}
    assert arrived() == set(numbered(2))
    assert "UnknownTarget" in Attempt.objects.get().error_type
