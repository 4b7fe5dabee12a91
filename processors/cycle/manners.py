"""What a handler may do to its process, and what is done about it.

A fork must not go on as a second worker with the first one's connections. Signals, directory and
locale that a handler changes are put back at commits: the next record is not to blame.
"""

import locale
import logging
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.db import DatabaseError, connection, connections

logger = logging.getLogger(__name__)

EXIT_COPY = 73
LOOK_SECONDS = 0.25
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)
ENDING = re.compile(
    r"\s*(COMMIT|END|ABORT|BEGIN|START\s+TRANSACTION|PREPARE\s+TRANSACTION|ROLLBACK(?!.*\bTO\b))\b",
    re.IGNORECASE,
)


# Forks


class Copy:
    """Whether this process is a copy that a handler forked."""

    is_one = False


def watch_forks() -> None:
    """Once in a process: from now on its copies cannot speak on its connections."""
    if not Watched.forks:
        Watched.forks = True
        os.register_at_fork(after_in_child=become_copy)


class Watched:
    """What this process has prepared for."""

    forks = False


def become_copy() -> None:
    """In a copy: put nothing into its parent's sockets, whatever runs on."""
    Copy.is_one = True
    for each in connections.all(initialized_only=True):
        if each.vendor == "postgresql" and each.connection is not None:
            silence(each.connection)


def silence(raw: Any) -> None:
    """Turn a socket into nothing; the server keeps its session with the parent."""
    try:
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, raw.fileno())
        os.close(nowhere)
    except (OSError, DatabaseError, ValueError):
        return


def leave_if_copy() -> None:
    """A copy that came back from its handler has no business here."""
    if Copy.is_one:
        os._exit(EXIT_COPY)


# Signals, directory, locale


def working_directory() -> Path | None:
    """None where it was deleted, as a deploy does with the release before the last."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


class Manners:
    """How the process was when its shift began."""

    def __init__(self) -> None:
        self._signals = {number: signal.getsignal(number) for number in SIGNALS}
        self._directory = working_directory()
        self._locale = locale.setlocale(locale.LC_ALL)
        self._look_at = 0.0
        self._in_main_thread = threading.current_thread() is threading.main_thread()

    def restore(self) -> None:
        """Put back what was changed, and say so in the log; looks a few times a second."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + LOOK_SECONDS
        changed = [what for what, put_back in self._checks() if put_back()]
        if changed:
            logger.warning("a handler changed its process, put back: %s", ", ".join(changed))

    def _checks(self) -> list[tuple[str, Callable[[], bool]]]:
        return [
            ("signal handlers", self._restore_signals),
            ("working directory", self._restore_directory),
            ("locale", self._restore_locale),
        ]

    def _restore_signals(self) -> bool:
        if not self._in_main_thread:
            return False
        changed = [n for n, handler in self._signals.items() if signal.getsignal(n) != handler]
        for number in changed:
            signal.signal(number, self._signals[number])
        return bool(changed)

    def _restore_directory(self) -> bool:
        if self._directory is None or working_directory() == self._directory:
            return False
        try:
            os.chdir(self._directory)
        except OSError as error:
            logger.warning("%s cannot be gone back to: %s", self._directory, error.strerror)
            self._directory = None
            return False
        return True

    def _restore_locale(self) -> bool:
        if locale.setlocale(locale.LC_ALL) == self._locale:
            return False
        locale.setlocale(locale.LC_ALL, self._locale)
        return True


# The transaction


class BrokenTransaction(DatabaseError):
    """A handler closed or ended the transaction that it was given."""


BROKEN = (
    "The handler broke the transaction it was given: it closed the connection, or ended the "
    "transaction. With effects='database' it must leave both alone: remove close(), commit() and "
    "rollback() from it."
)


class Guard:
    """Refuses statements that would end the transaction; remembers, whoever swallows that."""

    def __init__(self) -> None:
        self.has_refused = False

    def __call__(
        self,
        execute: Callable[..., Any],
        sql: Any,
        params: Any,
        many: bool,  # noqa: FBT001 - as Django calls it
        context: Any,
    ) -> Any:
        if isinstance(sql, str) and ENDING.match(sql):
            self.has_refused = True
            raise BrokenTransaction(BROKEN)
        return execute(sql, params, many, context)


def is_gone(error: DatabaseError) -> bool:
    """Whether a savepoint could not be found again: its transaction was ended behind our back."""
    pgcode = getattr(error.__cause__, "pgcode", None)
    return pgcode == "3B001" or "no such savepoint" in str(error)


def was_replaced(raw: Any) -> bool:
    """Whether the connection is no longer the one that the transaction began on."""
    return connection.closed_in_transaction or connection.connection is not raw
