"""Wait out trouble with the database that passes by itself."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.conf import settings
from django.db import InterfaceError, InternalError, OperationalError, connections

from processors.sources.dialect import can_pass

logger = logging.getLogger(__name__)

PASSING = (OperationalError, InterfaceError, InternalError)  # where `can_pass` agrees
FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 5.0

Result = TypeVar("Result")


class OutOfReach(Exception):
    """The database stayed away for a lease, and nothing is in hand: a later wake-up goes on."""


def patiently(
    act: Callable[[], Result], has_landed: Callable[[], bool] = lambda: False
) -> Result | None:
    """Do `act`, waiting out trouble that passes for as long as a lease is good.

    None where an attempt that seemed to fail had taken effect after all.
    """
    wait, give_up = FIRST_WAIT_SECONDS, time.monotonic() + settings.LEASE_SECONDS
    while True:
        try:
            return act()
        except PASSING as error:
            if not can_pass(error):
                raise
            logger.warning("the database is in trouble, again in %.1f s: %s", wait, error)
            connections.close_all()
            if time.monotonic() > give_up:
                raise
        time.sleep(wait)
        wait = min(wait * 2, LONGEST_WAIT_SECONDS)
        if landed(has_landed):
            return None


def landed(has_landed: Callable[[], bool]) -> bool:
    """Ask; while the database is still away, nothing is known to have landed."""
    try:
        return has_landed()
    except PASSING:
        connections.close_all()
        return False


def empty_handed(act: Callable[[], Result]) -> Result:
    """Do `act` while nothing is in hand. Raises OutOfReach for trouble that could pass."""
    try:
        return act()
    except PASSING as error:
        if not can_pass(error):
            raise
        raise OutOfReach(str(error)) from error
