"""JSON that is sent to an inbox, one value at a time: as lines, or as an array of them."""

import codecs
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from django.conf import settings
from django.utils.translation import gettext as _

from processors.storable import BadJson, parsed, parsed_at

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
        return map(parsed_line, self.texts())

    def texts(self) -> Iterator[str]:
        """The lines that say something, not parsed yet."""
        while raw := self.stream.readline(self.longest + 1):
            self.number += 1
            if len(raw) > self.longest:
                raise BadJson(
                    _("longer than %(longest)s bytes; a payload may have %(max_payload_bytes)s.")
                    % {"longest": self.longest, "max_payload_bytes": settings.MAX_PAYLOAD_BYTES}
                )
            text = decoded(raw, is_first=self.number == 1).rstrip()
            if text:
                yield text


SPACE = re.compile(r"[ \t\r\n]*")
PLACE = re.compile(r"line (\d+), ")


class JsonArray:
    """The values of an array in a text; `number` is the line on which the last one begins.

    Raises BadJson while it is iterated, `number` then being the line that is wrong.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.number = 1
        self._counted_to = 0

    def __iter__(self) -> Iterator[Any]:
        at = self._after_space(self.text.index("[") + 1)
        while self.text[at : at + 1] != "]":
            self._note_line(at)
            value, at = self._value(at)
            yield value
            at = self._after_space(at)
            sign = self.text[at : at + 1]
            if sign not in (",", "]"):
                raise self._refusal(at, _("expected a comma or “]”."))
            at = self._after_space(at + 1) if sign == "," else at
            if sign == "," and self.text[at : at + 1] == "]":
                raise self._refusal(at, _("nothing follows the last comma."))
        at = self._after_space(at + 1)
        if at < len(self.text):
            raise self._refusal(at, _("something follows the end of the array."))

    def _after_space(self, at: int) -> int:
        found = SPACE.match(self.text, at)
        return found.end() if found else at

    def _note_line(self, at: int) -> None:
        self.number += self.text.count("\n", self._counted_to, at)
        self._counted_to = at

    def _refusal(self, at: int, message: str) -> BadJson:
        self._note_line(at)
        return BadJson(message)

    def _value(self, at: int) -> tuple[Any, int]:
        try:
            return parsed_at(self.text, at)
        except BadJson as error:
            said = str(error)
            if place := PLACE.match(said):
                self.number = int(place[1])
            raise BadJson(said.removeprefix(place[0] if place else "")) from error


def decoded(raw: bytes, *, is_first: bool) -> str:
    """A line as text. Raises BadJson."""
    if is_first and raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise BadJson("this is UTF-16. Send UTF-8.")
    try:
        return raw.decode("utf-8-sig" if is_first else "utf-8")
    except UnicodeDecodeError as error:
        byte = raw[error.start]
        raise BadJson(
            _("not UTF-8 (byte 0x%(byte)s at %(start)s). Send UTF-8.")
            % {"byte": f"{byte:02X}", "start": error.start + 1}
        ) from error


def parsed_line(text: str) -> Any:
    """The value of a line. Raises BadJson."""
    if "\x00" in text:
        raise BadJson(_("holds the character U+0000, as UTF-16 does. Send UTF-8."))
    if text in ("{", "["):
        raise BadJson(_("this is no whole object. Write each record on one line."))
    try:
        return parsed(text)
    except BadJson as error:
        raise BadJson(str(error).removeprefix("line 1, ")) from error
