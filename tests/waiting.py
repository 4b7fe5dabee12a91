"""Waiting for a condition with a deadline, instead of sleeping and hoping."""

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")
PATIENCE_SECONDS = 60.0  # for what is there within a second or two on a machine that is not busy


def wait_until(
    predicate: Callable[[], Answer],
    *,
    seconds: float = PATIENCE_SECONDS,
    message: str | Callable[[], str] = "",
) -> Answer:
    """Call `predicate` until its answer is true, and return that answer.

    Raises AssertionError with `message` (asked for only then, if it is a function) when
    `seconds` have passed.
    """
    deadline = time.monotonic() + seconds
    while not (answer := predicate()):
        if time.monotonic() > deadline:
            text = message() if callable(message) else message
            raise AssertionError(f"Not within {seconds:g} s: {text or predicate}")
        time.sleep(0.02)
    return answer
