"""Questions that a page asks in several places, and the database once."""

from collections.abc import Callable, Hashable
from datetime import datetime
from typing import TypeVar

from django.http import HttpRequest

from processors.clock import database_now
from processors.protocol import all_paused
from processors.protocol.all_paused import AllPaused

Answer = TypeVar("Answer")


def once(request: HttpRequest, question: Hashable, ask: Callable[[], Answer]) -> Answer:
    """The answer as it was when this request first asked; `question` names it."""
    answers: dict[Hashable, Answer] = request.__dict__.setdefault("answers", {})
    if question not in answers:
        answers[question] = ask()
    return answers[question]


def now(request: HttpRequest) -> datetime:
    """The database's time when this page first asked: one page speaks of one moment."""
    return once(request, "now", database_now)


def pause_of_all(request: HttpRequest) -> AllPaused | None:
    """The pause of everything, None without one."""
    return once(request, "pause_of_all", all_paused.current)
