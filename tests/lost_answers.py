"""Answers that are lost: what was asked has taken effect, and whoever asked does not hear of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, transaction

LOST = "server closed the connection unexpectedly"


def lose_first_answer(patch: pytest.MonkeyPatch, owner: object, name: str) -> None:
    """The first call of `owner.name` that achieves something ends with its connection lost."""
    original, first = getattr(owner, name), iter([True])

    def losing(*given: Any) -> Any:
        answer = original(*given)
        if answer and next(first, False):
            raise OperationalError(LOST)
        return answer

    patch.setattr(owner, name, losing)


@contextmanager
def first_commit_fails(error: Exception, *, has_happened: bool) -> Iterator[None]:
    """Meanwhile the first durable transaction ends with `error`: rolled back, or committed."""
    atomic: Any = transaction.atomic
    errors = iter([error])

    def fail(now: bool) -> None:
        for each in errors if now else ():
            raise each

    @contextmanager
    def failing_once(*given: Any, durable: bool = False, **more: Any) -> Iterator[None]:
        with atomic(*given, durable=durable, **more):
            yield
            fail(durable and not has_happened)
        fail(durable and has_happened)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transaction, "atomic", failing_once)
        yield
