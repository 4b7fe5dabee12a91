"""What a handler may know and do beside its record."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from string import ascii_letters, digits, punctuation
from time import monotonic
from typing import Any
from urllib.parse import quote

from processors.handlers.outcomes import clean_text

LOG_LINES = 200  # lines kept per attempt: a chatty handler must not fill the history
LOG_LINE_LENGTH = 1_000  # characters
KEY_LENGTH = 200  # characters of a record's key
# What stands in an idempotency key as it is. Not "%", so that no two keys become one.
PLAIN = ascii_letters + digits + punctuation.replace("%", "")
ORDINARY = re.compile(f"[{re.escape(PLAIN)}]*")

Outgoing = tuple[str, dict[str, Any], str]
"""What a handler published: topic or slug, payload, key."""


def key_prefix(identity: str, processor_id: int) -> str:
    """What begins the idempotency keys of a processor's records, in one installation."""
    return f"{identity}:{processor_id}"


def idempotency_key(prefix: str, key: str, visit: int) -> str:
    """The same for every attempt at one request, and for no other.

    Fit to be sent as an HTTP header whatever the record's key holds: blanks and what is not ASCII
    are percent-encoded.
    """
    sent = key if ORDINARY.fullmatch(key) else quote(key, PLAIN)
    return f"{prefix}:{sent}:{visit}"


def fitting(key: str) -> str:
    """A made key as a record may have it: the end of a longer one becomes its digest."""
    if len(key) <= KEY_LENGTH:
        return key
    digest = sha256(key.encode()).hexdigest()
    return f"{key[: KEY_LENGTH - len(digest) - 1]}:{digest}"


@dataclass(frozen=True)
class Surroundings:
    """What all records of one batch share."""

    run_id: int
    options: Any
    key_prefix: str
    time_limit_seconds: float
    should_stop: Callable[[], bool]


class Said:
    """What a handler said beside its result; made when it first says something."""

    __slots__ = ("lines", "outgoing", "progress")

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.progress: tuple[float, float] | None = None
        self.outgoing: list[Outgoing] = []


class Context:
    """Given to the handler with each record."""

    __slots__ = (
        "_said",
        "_started",
        "_surroundings",
        "attempt",
        "key",
        "maybe_seen_before",
        "visit",
    )

    # Positional, and nothing made before it is needed: one of these is made for every record.
    def __init__(
        self,
        surroundings: Surroundings,
        key: str,
        visit: int,
        attempt: int = 1,
        maybe_seen_before: bool = False,  # noqa: FBT001, FBT002
    ) -> None:
        self._surroundings = surroundings
        self.key = key
        self.visit = visit
        self.attempt = attempt
        self.maybe_seen_before = maybe_seen_before
        self._started = monotonic()
        self._said: Said | None = None

    @property
    def idempotency_key(self) -> str:
        """The same for every retry of this record, and for no other; fit to be an HTTP header."""
        return idempotency_key(self._surroundings.key_prefix, self.key, self.visit)

    @property
    def run_id(self) -> int:
        """The run this attempt belongs to."""
        return self._surroundings.run_id

    @property
    def options(self) -> Any:
        """The processor's options, as the handler declared them."""
        return self._surroundings.options

    @property
    def deadline(self) -> datetime:
        """When the record's time limit ends it (this machine's clock, UTC)."""
        left = self._started + self._surroundings.time_limit_seconds - monotonic()
        return datetime.now(UTC) + timedelta(seconds=left)

    def should_stop(self) -> bool:
        """Whether somebody waits for this run to leave: long handlers may return `Retry`."""
        return self._surroundings.should_stop()

    def log(self, text: object) -> None:
        """Keep a line with the record, to be read in the admin."""
        lines = self._speak().lines
        if len(lines) < LOG_LINES:
            lines.append(clean_text(str(text), LOG_LINE_LENGTH))
        elif len(lines) == LOG_LINES:
            lines.append(f"… more than {LOG_LINES} lines: the rest was not kept.")

    def progress(self, done: float, total: float) -> None:
        """How far this record is, kept as the last line of its log."""
        self._speak().progress = (done, total)

    def publish(self, topic: str, payload: Mapping[str, Any], key: str | None = None) -> None:
        """Put a record into another processor's inbox, by its slug or topic.

        It appears when this record's success is recorded, and not at all when that fails.
        Without a key, one is made of this record's idempotency key, so that a retry finds it.
        """
        outgoing, own = self._speak().outgoing, self.idempotency_key
        key = key or fitting(f"{own}:{len(outgoing)}" if outgoing else own)
        outgoing.append((str(topic), dict(payload), key))

    def _speak(self) -> Said:
        if self._said is None:
            self._said = Said()
        return self._said

    @property
    def outgoing(self) -> list[Outgoing]:
        """What the handler published."""
        return self._said.outgoing if self._said else []

    @property
    def lines(self) -> list[str]:
        """What the handler logged, with its progress as the last line."""
        if self._said is None:
            return []
        lines = list(self._said.lines)
        if self._said.progress is not None:
            lines.append("progress: {:g} of {:g}".format(*self._said.progress))
        return lines

    @property
    def seconds(self) -> float:
        """How long the handler has had this record."""
        return monotonic() - self._started

    @property
    def is_silent(self) -> bool:
        """Whether nothing was logged or published; cheap, for the hot path."""
        return self._said is None
