"""What is done right after a commit although a tick would do it as well: only sooner."""

import logging
from collections.abc import Callable

from django.db import InterfaceError, OperationalError, transaction

logger = logging.getLogger(__name__)


def after_commit(act: Callable[[], object], what: str) -> None:
    """Do `act` once the transaction has committed, which nothing it meets can undo.

    Where a database is in trouble, a line says that `what` is left to the next tick.
    """
    transaction.on_commit(lambda: attempt(act, what), robust=True)


def attempt(act: Callable[[], object], what: str) -> None:
    """Now, if a database lets us."""
    try:
        act()
    except (OperationalError, InterfaceError) as error:
        said = str(error).strip().split("\n", 1)[0]
        logger.warning("%s is left to the next tick: %s", what, said)
