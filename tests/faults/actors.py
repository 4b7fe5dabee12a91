"""Forked processes that do one thing each, and may die of it.

A fork starts in milliseconds with Django loaded, so that hundreds of deaths fit into a minute.
Real `rqworker` processes die in tests/test_killed_workers.py and in `make chaos`.
"""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.db import connections

from processors import cycle, failpoints, maintenance
from processors.clock import database_now
from processors.cycle.manners import Copy
from processors.maintenance import Ticked
from processors.models import Batch, Installation, Run
from processors.queues.identity import Identity, own_name
from processors.queues.wakeups import queue
from tests.waiting import PATIENCE_SECONDS, wait_until

LOOK_SECONDS = 0.02
JUST_NOW, LONG_AGO = timedelta(seconds=1), timedelta(days=1)


class Actor:
    """A child that calls `act` and ends; `failpoint` is armed in it alone."""

    def __init__(self, act: Callable[[], object], failpoint: str = "") -> None:
        connections.close_all()  # no socket that two processes could use
        self.exit_code: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            self._live(act, failpoint)

    @staticmethod
    def _live(act: Callable[[], object], failpoint: str) -> None:
        """In the child; never returns."""
        code = 1
        try:
            Copy.is_one = False  # a test's fork is a worker of its own, not a handler's copy
            queue.cache_clear()
            Identity.worker = "actor"
            Copy.is_one = False  # a process of its own, not what a handler forked
            failpoints.arm(failpoint)
            act()
            code = 0
        except failpoints.FailpointReached:
            code = failpoints.EXIT_CODE
        except BaseException:  # noqa: BLE001 - nothing may return into pytest
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)

    @property
    def owner(self) -> str:
        """Its name in leases."""
        return own_name().replace(f":{os.getpid()}:shell", f":{self.pid}:actor")

    def has_ended(self) -> bool:
        """Whether it is over; its exit code is negative where a signal ended it."""
        if self.exit_code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.exit_code = os.waitstatus_to_exitcode(status)
        return self.exit_code is not None

    def is_standing_still(self) -> bool:
        """Whether it was stopped by a signal."""
        with suppress(FileNotFoundError):
            stat = Path(f"/proc/{self.pid}/stat").read_text()
            return stat.rpartition(")")[2].split()[0] == "T"
        return False

    def wait(self, *, seconds: float = PATIENCE_SECONDS) -> int:
        """Its exit code."""
        wait_until(self.has_ended, seconds=seconds, message=f"process {self.pid} did not end")
        assert self.exit_code is not None
        return self.exit_code

    def wait_until_struck(self, *, seconds: float = PATIENCE_SECONDS) -> None:
        """Until its failpoint has ended or stopped it, or it ended without."""
        wait_until(
            lambda: self.has_ended() or self.is_standing_still(),
            seconds=seconds,
            message=f"process {self.pid} did not come by its failpoint",
        )

    def kill(self) -> None:
        """End it now, whatever it does."""
        if not self.has_ended():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.exit_code = -signal.SIGKILL


def let_leases_run_out() -> None:
    """Of all open batches: for when whoever has one is dead, or stands still."""
    Batch.objects.leased().update(lease_until=database_now() - JUST_NOW)


def tick_and_reap() -> Ticked:
    """As a scheduler does, for whom the time to look after lost workers has come each time."""
    Installation.objects.update(reaped_at=database_now() - LONG_AGO)
    return maintenance.tick()


def work_on_runs() -> None:
    """A worker that is woken all the time: until it is killed."""
    while True:
        for run_id in Run.objects.active().values_list("pk", flat=True):
            cycle.work(run_id)
        time.sleep(LOOK_SECONDS)
