"""Trouble that passes is waited out, and nothing is made twice or left out because of it."""

from collections.abc import Callable

import pytest
from django.db import OperationalError, connections

from processors.cycle import patience
from processors.cycle.patience import patiently

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_WAIT_SECONDS", 0.0)
    monkeypatch.setattr(connections, "close_all", lambda: None)  # the test's own


def in_turn(*answers: object) -> Callable[[], object]:
    """Answers or raises one after the other."""
    left = list(answers)

    def act() -> object:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return act


def away() -> Exception:
    return OperationalError("server closed the connection unexpectedly")


def test_what_landed_although_nobody_answered_is_not_done_again() -> None:
    act = in_turn(away(), "done twice")

    assert patiently(act, lambda: True) is None
    assert act() == "done twice"


def test_what_nobody_can_say_of_whether_it_landed_is_done_again() -> None:
    def has_landed() -> bool:
        raise away()

    assert patiently(in_turn(away(), away(), "done"), has_landed) == "done"


def test_trouble_that_does_not_pass_is_not_waited_out() -> None:
    with pytest.raises(ValueError, match="mistake"):
        patiently(in_turn(ValueError("mistake")))
