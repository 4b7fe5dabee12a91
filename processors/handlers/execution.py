"""From what a handler returned or raised to an outcome; used by the worker and the test kit."""

import json
import re
from typing import Any

from processors.handlers.outcomes import Outcome, Verdict, from_exception, from_verdict

NUL = re.compile(
    r"(?<!\\)(?:\\\\)*\\u0000"
)  # as JSON writes it; an escaped backslash before is text
RESULT_LIMIT = 1_000_000  # characters of JSON that a result may have


class InvalidResult(ValueError):
    """A handler returned something that cannot be stored as its result."""


def classify(given: Any) -> Outcome:
    """The outcome of a value that a handler returned."""
    if isinstance(given, Verdict):
        return from_verdict(given)
    try:
        return Outcome("done", result=as_it_is(given))
    except InvalidResult as error:
        return Outcome("dead", error_type="InvalidResult", message=str(error))


def as_it_is(result: Any) -> Any:
    """A result as it is at this moment: its handler may return the same object again, changed.

    Raises InvalidResult.
    """
    text = encode_result(result)
    if text is None or isinstance(result, str | int | float):
        return result
    try:
        return json.loads(text)
    except RecursionError as error:
        raise InvalidResult(f"The handler's result is not JSON: {error}.") from error


def failed(error: BaseException) -> Outcome:
    """The outcome of an exception that left a handler."""
    return from_verdict(error) if isinstance(error, Verdict) else from_exception(error)


def encode_result(result: Any) -> str | None:
    """A result as JSON text that both databases store alike, None for no result.

    Raises InvalidResult for what is not JSON: trying the record again would not change it.
    """
    if result is None:
        return None
    try:
        text = json.dumps(result, ensure_ascii=False, allow_nan=False)
        text.encode("utf-8")
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidResult(f"The handler's result is not JSON: {error}.") from error
    if NUL.search(text):
        raise InvalidResult(
            "The handler's result holds the character U+0000, which cannot be stored."
        )
    if len(text) > RESULT_LIMIT:
        raise InvalidResult(
            f"The handler's result has {len(text)} characters of JSON; at most {RESULT_LIMIT} "
            "are kept."
        )
    return text
