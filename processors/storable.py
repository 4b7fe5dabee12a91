"""What JSON may hold so that every database stores it alike, whoever sends it."""

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

DEEPEST = 50
LONGEST_NUMBER = 1_000  # digits


class BadJson(ValueError):
    """JSON that is not usable; the text is a sentence, with its place first where it is known."""


def parsed(text: str) -> Any:
    """The value of a JSON text, strict where Python is lenient. Raises BadJson."""
    with told_strictly():
        return DECODER.decode(text)


def parsed_at(text: str, at: int) -> tuple[Any, int]:
    """The value that begins at a place of a longer text, and where it ends. Raises BadJson."""
    with told_strictly():
        return DECODER.raw_decode(text, at)


@contextmanager
def told_strictly() -> Iterator[None]:
    """The decoder's errors as sentences. Raises BadJson."""
    try:
        yield
    except json.JSONDecodeError as error:
        raise BadJson(f"line {error.lineno}, column {error.colno}: {error.msg}.") from error
    except RecursionError as error:
        raise BadJson("nested too deeply.") from error
    except BadJson:
        raise
    except ValueError as error:
        raise BadJson("a number is too long.") from error


def without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; Python alone would keep the last of two equal names without a word."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise BadJson(f"{repeated!r} is given twice in one object.")
    return found


def refuse_constant(name: str) -> Any:
    """NaN and Infinity: Python reads them, JSON does not know them."""
    raise BadJson(f"{name} is not JSON.")


# One for all texts: `json.loads` with options makes a new one at every call.
DECODER = json.JSONDecoder(object_pairs_hook=without_repeats, parse_constant=refuse_constant)


def first_trouble(value: Any, path: str, depth: int = 1) -> str | None:
    """The first thing in a value that cannot be stored, with its place; None without one."""
    if not isinstance(value, Mapping | list | tuple):
        return scalar_trouble(value, path)
    if depth > DEEPEST:
        return f"The {path.partition('.')[0]} is nested deeper than {DEEPEST} levels."
    inner = value.items() if isinstance(value, Mapping) else enumerate(value)
    for name, part in inner:
        trouble = name_trouble(name, path) or first_trouble(part, f"{path}.{name}", depth + 1)
        if trouble:
            return trouble
    return None


def name_trouble(name: Any, path: str) -> str | None:
    """The same for a name in an object."""
    if isinstance(name, str) and "\x00" in name:
        return f"The character U+0000 can't be stored (a name in {path})."
    if isinstance(name, str) and has_half_character(name):
        return f"Half a character (a lone surrogate) can't be stored (a name in {path})."
    return None


def scalar_trouble(value: Any, path: str) -> str | None:
    """The same for a single value."""
    if isinstance(value, float) and not math.isfinite(value):
        name = "NaN" if math.isnan(value) else "Infinity"
        return f"{name} is not JSON (at {path})."
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**LONGEST_NUMBER:
        return f"Number too long ({path})."
    if isinstance(value, str) and "\x00" in value:
        return f"The character U+0000 can't be stored ({path})."
    if isinstance(value, str) and has_half_character(value):
        return f"Half a character (a lone surrogate) can't be stored ({path})."
    return None


def has_half_character(text: str) -> bool:
    """Whether a text holds a lone surrogate, which is in no encoding."""
    if text.isascii():
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
