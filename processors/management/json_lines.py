"""JSON Lines, one object at a time, strict where Python is lenient."""

import codecs
from collections.abc import Iterator
from typing import Any, BinaryIO

from django.conf import settings

from processors.storable import BadJson, parsed

# Escaped as \uXXXX a character takes six bytes; then the key, the times and the punctuation.
BYTES_PER_CHARACTER = 6
ROOM_BYTES = 10_000


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
                yield parsed_line(text)


def decoded(raw: bytes, *, is_first: bool) -> str:
    """A line as text. Raises BadJson."""
    if is_first and raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise BadJson("this is UTF-16. Send UTF-8.")
    try:
        return raw.decode("utf-8-sig" if is_first else "utf-8")
    except UnicodeDecodeError as error:
        byte = raw[error.start]
        raise BadJson(f"not UTF-8 (byte 0x{byte:02X} at {error.start + 1}). Send UTF-8.") from error


def parsed_line(text: str) -> Any:
    """The value of a line. Raises BadJson."""
    if "\x00" in text:
        raise BadJson("holds the character U+0000, as UTF-16 does. Send UTF-8.")
    try:
        return parsed(text)
    except BadJson as error:
        raise BadJson(str(error).removeprefix("line 1, ")) from error
