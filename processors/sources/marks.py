"""The token that mode B writes into a status column: `TAKEN:12345600000017`.

Fourteen digits after the word for a row in hand: six name the processor of this installation,
eight the batch. Digits alone, so that all marks of a processor are one range of an index on the
status, whatever the column's collation.
"""

import hashlib
import re
from dataclasses import dataclass

PROCESSOR_DIGITS = 6
BATCH_DIGITS = 8
ADDED_CHARACTERS = 1 + PROCESSOR_DIGITS + BATCH_DIGITS  # what a mark has beyond its word
HELD = "0" * BATCH_DIGITS  # in the place of a batch: the row waits for a person's retry


def mark_length(word: str) -> int:
    """How many characters the status column must hold."""
    return len(word) + ADDED_CHARACTERS


def digits(text: str, length: int) -> str:
    """A number that stands for a text, never 0."""
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
    return str(number % (10**length - 1) + 1).zfill(length)


@dataclass(frozen=True)
class Marks:
    """The marks of one processor; `word` is its word for a row in hand."""

    word: str
    installation: str
    processor_id: int

    @property
    def prefix(self) -> str:
        """What all of them begin with."""
        tag = digits(f"{self.installation}:{self.processor_id}", PROCESSOR_DIGITS)
        return f"{self.word}:{tag}"

    def of(self, batch_id: int) -> str:
        """The mark of a batch."""
        named = f"{self.installation}:{self.processor_id}:{batch_id}"
        return self.prefix + digits(named, BATCH_DIGITS)

    @property
    def held(self) -> str:
        """The mark of a row that waits for a person's retry, in no batch yet."""
        return self.prefix + HELD

    @property
    def first(self) -> str:
        """The smallest of them."""
        return self.prefix + "0" * BATCH_DIGITS

    @property
    def last(self) -> str:
        """The largest of them."""
        return self.prefix + "9" * BATCH_DIGITS

    def is_own(self, status: object) -> bool:
        """Whether a status is a mark of this processor."""
        own = rf"{re.escape(self.prefix)}[0-9]{{{BATCH_DIGITS}}}"
        return isinstance(status, str) and re.fullmatch(own, status.rstrip()) is not None
