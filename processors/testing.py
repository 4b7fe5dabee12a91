"""The handler test kit: run one handler without a database or Redis.

outcome = run_handler(send_order, payload={"order": 17})
assert outcome.kind == "done"
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from processors.handlers.context import Context, Outgoing, Surroundings
from processors.handlers.contract import Handler, Record, handler_name
from processors.handlers.execution import classify, failed
from processors.handlers.outcomes import Outcome
from processors.handlers.registry import registry


def run_handler(
    function: Callable[..., Any],
    *,
    payload: Mapping[str, Any] | None = None,
    key: str = "test-1",
    options: Mapping[str, Any] | None = None,
    attempt: int = 1,
    published: list[Outgoing] | None = None,
) -> Outcome:
    """What would become of a record in this handler's hands.

    Options are validated as a definition's are (raises InvalidOptions). A batch handler gets a
    batch of one. Pass a list as `published` to see
    what the handler published: (topic, payload, key) each.
    """
    handler = find(function)
    surroundings = Surroundings(
        run_id=1,
        options=handler.clean_options(options or {}),
        key_prefix="test",
        time_limit_seconds=300,
        should_stop=lambda: False,
    )
    context = Context(surroundings, key, 1, attempt, attempt > 1)
    record = Record(key, dict(payload or {}), attempt, context)
    outcome = call(handler, record, context)
    outcome.log = context.lines
    if published is not None:
        published += context.outgoing
    return outcome


def awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What it returns; in a thread of its own, because the caller's may have a running loop."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def find(function: Callable[..., Any]) -> Handler:
    """The registered handler of a decorated function."""
    handler = registry.find(handler_name(function))
    if handler is None:
        raise LookupError(f"{function.__qualname__} is not a handler: decorate it with @handler.")
    return handler


def call(handler: Handler, record: Record, context: Context) -> Outcome:
    """Run and classify, as the worker does."""
    try:
        given = handler.function([record] if handler.batch else record, context)
        if handler.is_async:
            given = awaited(given)
        return classify(given[0] if handler.batch else given)
    except Exception as error:  # noqa: BLE001 - whatever a handler raises is its outcome
        return failed(error)
