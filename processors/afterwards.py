"""What a tick does in any case, tried now: trouble with it must not stop what comes next."""

import logging
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections, transaction

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


def after_commit(act: Callable[[], object], what: str) -> None:
    """Do `act` once the transaction has committed, which nothing it meets can undo.

    Where a database is in trouble, a line says that `what` is left to the next tick.
    """
    transaction.on_commit(lambda: attempt(act, what), robust=True)


def attempt(act: Callable[[], Result], what: str) -> Result | None:
    """Now, if a database lets us; None where it does not."""
    try:
        return act()
    except (OperationalError, InterfaceError) as error:
        close_old_connections()
        said = str(error).strip().split("\n", 1)[0]
        logger.warning("%s is left to the next tick: %s", what, said)
        return None
