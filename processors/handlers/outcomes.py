"""What can become of a record when its handler has seen it.

A handler returns its result, or returns or raises one of `Skip`, `Retry` and `Reject`. The
machine turns either into an `Outcome`, the only shape the rest of the program knows.
"""

import traceback
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from django.utils.translation import gettext as _

Kind = Literal["done", "skipped", "retry", "dead", "parked", "crashed"]

MESSAGE_LIMIT = 4_000  # characters of an error message that are kept
NOT_NOW = "NotNow"  # the error type of trouble with our database, which costs no attempt
TRACEBACK_LIMIT = 20_000  # characters of a traceback that are kept, the end being what matters


class Verdict(Exception):
    """A handler's word on a record that is not a plain success; returned or raised."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = str(reason)


class Skip(Verdict):
    """The record needs no handling: final, and no failure."""


class Reject(Verdict):
    """The record can never succeed: a dead letter at once, without another attempt."""


class Retry(Verdict):
    """Not now: try again, `after` seconds (or a timedelta) from now, else after the back-off."""

    def __init__(self, reason: str = "", after: float | timedelta | None = None) -> None:
        super().__init__(reason)
        seconds = after.total_seconds() if isinstance(after, timedelta) else after
        if seconds is not None and not 0 <= seconds < float("inf"):
            raise ValueError(f"Retry(after={after!r}): give seconds of zero or more.")
        self.after = seconds


@dataclass(slots=True)
class Outcome:
    """What became of one record; `after` and `duration` are seconds.

    `alone`: it must travel alone from now on. `is_crash`: its worker died with it in hand.
    `is_free`: it is tried again without having cost an attempt.
    """

    kind: Kind
    result: Any = None
    error_type: str = ""
    message: str = ""
    traceback: str = ""
    after: float | None = None
    alone: bool = False
    is_crash: bool = False
    is_free: bool = False
    log: list[str] = field(default_factory=list)
    duration: float | None = None


def from_verdict(verdict: Verdict) -> Outcome:
    """The outcome a handler asked for by name."""
    message = clean_text(verdict.reason, MESSAGE_LIMIT)
    kind: Kind = "skipped" if isinstance(verdict, Skip) else "dead"
    if isinstance(verdict, Retry):
        return Outcome("retry", error_type="Retry", message=message, after=verdict.after)
    return Outcome(kind, error_type=type(verdict).__name__, message=message)


def from_exception(error: BaseException) -> Outcome:
    """Any exception but a verdict: try again later, except where that can never help."""
    kind: Kind = "dead" if isinstance(error, MemoryError) else "retry"
    message = _("out of memory") if isinstance(error, MemoryError) else str(error)
    return Outcome(
        kind,
        error_type=qualified_name(type(error)),
        message=clean_text(message, MESSAGE_LIMIT),
        # Without the values of local variables: they hold people's data and secrets.
        traceback=clean_text("".join(traceback.format_exception(error))[-TRACEBACK_LIMIT:]),
    )


def qualified_name(kind: type) -> str:
    """`KeyError`, `json.decoder.JSONDecodeError`: built-ins without their module."""
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def clean_text(text: str, limit: int | None = None) -> str:
    """Text that every database can hold: no U+0000 and no lone surrogates; cut to `limit`."""
    text = text.replace("\x00", "�").encode("utf-8", "replace").decode("utf-8")
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"
