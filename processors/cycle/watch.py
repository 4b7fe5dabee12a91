"""A thread that beats the heart of the batch in hand and ends what hangs.

It stops beating by ending the process: when the lease is lost, when the database has not been
reached for a whole lease, when a record has passed its time limit, or when the parent is gone
and the record in hand does not end. Handlers can swallow exceptions and signals; not this.
"""

import faulthandler
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import ClassVar

from django.conf import settings
from django.db import connections

from processors.clock import database_now
from processors.protocol.leases import Lease, LeaseLost, heartbeat
from processors.sources.base import Ref
from processors.sources.dialect import TROUBLE

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.1
WIND_SECONDS = 1.0
STDERR = 2
ORPHAN_GRACE_SECONDS = 20.0
EXIT_HUNG = 70
EXIT_LOST = 71
EXIT_ORPHAN = 72


@dataclass
class Desk:
    """What the worker has in hand, as both threads see it.

    `begun`: monotonic time by ref of every record that a handler has now.
    """

    lease: Lease | None = None
    begun: dict[Ref, float] = field(default_factory=dict)
    lost: bool = False
    # Set before the process is ended for a record that hangs: nothing is begun any more.
    is_ending: bool = False


class Watch(threading.Thread):
    """Runs beside the worker until `close`."""

    def __init__(self, desk: Desk, on_hung: Callable[[Ref], None]) -> None:
        super().__init__(name="watch", daemon=True)
        self.desk = desk
        self.on_hung = on_hung
        self._closing = threading.Event()
        self._parent = os.getppid()
        self._orphan_since: float | None = None
        self._wound_until = 0.0
        self._beaten = time.monotonic()
        self._called = threading.Event()

    def park(self) -> None:
        """Have the thread there before it is called by `start`; until then it only waits."""
        super().start()

    def start(self) -> None:
        """Wound up before any record is begun: that one may hold the interpreter's lock."""
        self._beaten = time.monotonic()
        self._wind_up()
        self._called.set()
        if not self.is_alive():
            super().start()

    def close(self) -> None:
        """End the thread; nothing is in hand any more."""
        self._closing.set()
        self.join()

    def run(self) -> None:
        self._called.wait()
        try:
            while not self._closing.wait(LOOK_SECONDS):
                try:
                    self._look()
                except Exception:
                    # A handler may have left no memory for this one: the next may find some.
                    with suppress(MemoryError):
                        logger.exception("a look after batch %s failed", self._batch_id)
        finally:
            faulthandler.cancel_dump_traceback_later()
            connections.close_all()

    @property
    def _batch_id(self) -> int | None:
        lease = self.desk.lease
        return None if lease is None else lease.batch_id

    def _look(self) -> None:
        self._check_parent()
        self._check_time_limit()
        self._wind_up()
        period = settings.LEASE_SECONDS / 4
        if time.monotonic() - self._beaten >= period and self._beat():
            self._beaten = time.monotonic()
        elif time.monotonic() - self._beaten > settings.LEASE_SECONDS + period:
            leave_hard(EXIT_LOST, "the database was out of reach for a whole lease")

    def _wind_up(self) -> None:
        """Ask the interpreter's own alarm to end this process if this thread is held up.

        C code that keeps the interpreter's lock stops every thread, this one too; the alarm needs
        no lock. It writes to stderr where each thread was.
        """
        now, lease = time.monotonic(), self.desk.lease
        if lease is None or now < self._wound_until:
            return
        limit = min(lease.limits.record_timeout_seconds, 4 * settings.LEASE_SECONDS)
        self._wound_until = now + WIND_SECONDS
        faulthandler.dump_traceback_later(limit + WIND_SECONDS, exit=True, file=STDERR)

    def _beat(self) -> bool:
        """Renew the lease in hand; whether the database was reached."""
        lease = self.desk.lease
        try:
            if lease is not None:
                heartbeat(lease, database_now())
        except LeaseLost:
            # A table elsewhere is told and read before the next lease is on the desk.
            is_over = lease is not None and lease.closing
            self.desk.lost = self.desk.lease is lease and not is_over
        except TROUBLE as error:
            logger.warning("no heartbeat for batch %s: %s", self._batch_id, error)
            connections.close_all()
            return False
        return True

    def _check_time_limit(self) -> None:
        lease = self.desk.lease
        if lease is None or not self.desk.begun:
            return
        limit = time.monotonic() - lease.limits.record_timeout_seconds
        late = [ref for ref, since in list(self.desk.begun.items()) if since < limit]
        if late:
            self.desk.is_ending = True
            try:
                self.on_hung(late[0])
            finally:
                leave_hard(EXIT_HUNG, f"record {late[0]} passed its time limit")

    def _check_parent(self) -> None:
        if os.getppid() == self._parent:
            return
        self._orphan_since = self._orphan_since or time.monotonic()
        if time.monotonic() - self._orphan_since > ORPHAN_GRACE_SECONDS:
            leave_hard(EXIT_ORPHAN, "the parent is gone and the record in hand did not end")


class Parked:
    """The watch whose thread a spare child has made beforehand."""

    one: ClassVar[Watch | None] = None


def park_one() -> None:
    """Make it, for the first that asks."""
    Parked.one = Watch(Desk(), lambda _: None)
    Parked.one.park()


def watch_over(desk: Desk, on_hung: Callable[[Ref], None]) -> Watch:
    """A watch, not started yet: the one that was parked, else a new one."""
    watch, Parked.one = Parked.one, None
    if watch is None:
        return Watch(desk, on_hung)
    watch.desk, watch.on_hung = desk, on_hung
    return watch


def leave_hard(code: int, why: str) -> None:
    """End this process at once, whatever its other threads do."""
    logger.error("worker process %s ends: %s", os.getpid(), why)
    for handler in logging.getLogger().handlers:
        handler.flush()
    os._exit(code)
