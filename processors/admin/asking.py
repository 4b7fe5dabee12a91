"""Questions that a page asks in several places, and the database once."""

from collections.abc import Callable, Hashable
from typing import TypeVar

from django.http import HttpRequest

Answer = TypeVar("Answer")


def once(request: HttpRequest, question: Hashable, ask: Callable[[], Answer]) -> Answer:
    """The answer as it was when this request first asked; `question` names it."""
    answers: dict[Hashable, Answer] = request.__dict__.setdefault("answers", {})
    if question not in answers:
        answers[question] = ask()
    return answers[question]
