"""JSON Lines, one object at a time, strict where Python is lenient."""

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from django.conf import settings

# Escaped as \uXXXX a character takes six bytes; then the key, the times and the punctuation.
BYTES_PER_CHARACTER = 6
ROOM_BYTES = 10_000


class BadJson(ValueError):
    """JSON that is not usable; the text is a sentence."""


class JsonLines:
    """The values of a stream of UTF-8 lines; `number` is the line that was read last.

    Empty lines are passed over. Raises BadJson while it is iterated.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.number = 0
        self.longest = settings.MAX_PAYLOAD_BYTES * BYTES_PER_CHARACTER + ROOM_BYTES

    def __iter__(self) -> Iterator[Any]:
        while raw := self.stream.readline(self.longest + 1):
            self.number += 1
            if len(raw) > self.longest:
                raise BadJson(
                    f"longer than {self.longest} bytes; a payload may have "
                    f"{settings.MAX_PAYLOAD_BYTES}."
                )
            text = decoded(raw, is_first=self.number == 1).rstrip()
            if text:
                yield parsed(text)


def decoded(raw: bytes, *, is_first: bool) -> str:
    """A line as text. Raises BadJson."""
    if is_first and raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise BadJson("this is UTF-16. Send UTF-8.")
    try:
        return raw.decode("utf-8-sig" if is_first else "utf-8")
    except UnicodeDecodeError as error:
        byte = raw[error.start]
        raise BadJson(f"not UTF-8 (byte 0x{byte:02X} at {error.start + 1}). Send UTF-8.") from error


def parsed(text: str) -> Any:
    """The value of a line. Raises BadJson."""
    if "\x00" in text:
        raise BadJson("holds the character U+0000, as UTF-16 does. Send UTF-8.")
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise BadJson(f"column {error.colno}: {error.msg}.") from error
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


# One for all lines: `json.loads` with options makes a new one at every call.
DECODER = json.JSONDecoder(object_pairs_hook=without_repeats, parse_constant=refuse_constant)
