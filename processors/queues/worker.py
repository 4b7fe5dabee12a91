"""The worker behind `manage.py rqworker`: RQ's, made safe to kill, stop, orphan and starve.

It ticks when it is idle, so cycles go on without a scheduler; closes database sockets before it
forks; tells its child to leave after the record in hand; and takes back what a child held that
ended without a word.
"""

import ctypes
import logging
import mmap
import os
import signal
import sys
import time
from enum import IntEnum
from typing import Any

from django.conf import settings
from django.db import connections
from django.utils.module_loading import import_string
from redis.exceptions import RedisError
from rq import Worker
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer

from processors.queues import roll_call
from processors.queues.identity import Identity, owner_name

logger = logging.getLogger(__name__)

WORKER_TTL_SECONDS = 30
IDLE_TICK_SECONDS = 5.0
CLEAN_REGISTRIES_SECONDS = 30.0
REDIS_WAIT_SECONDS = 2.0
PR_SET_PDEATHSIG = 1

# Upwards through the layers by name: the queue must not import what uses it.
TICK = "processors.maintenance.tick"
RECLAIM = "processors.protocol.reaping.take_from_dead"
LEAVE = "processors.cycle.leave"


OWN_EXITS = (71, 72)  # of a child without a database or without a parent: see `cycle/watch.py`


class Left(IntEnum):
    """How a child left."""

    VANISHED = 0  # without a word: something ended it
    CLEAN = 1  # with nothing in hand
    FAILED = 2  # on an error of ours, perhaps with records in hand


class SafeWorker(Worker):
    """One forked child per job; the parent never keeps a database connection."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["serializer"] = JSONSerializer
        kwargs["worker_ttl"] = WORKER_TTL_SECONDS
        super().__init__(*args, **kwargs)
        self.maintenance_interval = min(IDLE_TICK_SECONDS, settings.LEASE_SECONDS / 4)  # type: ignore[assignment]
        self._registries_cleaned_at = 0.0
        # One byte shared with the child: how it left; see `Left`.
        self._left = mmap.mmap(-1, 1)
        self._horse_status = 0

    def serialize(self) -> Any:
        """RQ's facts about this worker and ours."""
        seconds, micros = self.connection.time()
        return {**super().serialize(), roll_call.FIELD: roll_call.own_facts(seconds + micros / 1e6)}

    @property
    def dequeue_timeout(self) -> int:
        """Seconds to wait for a job before looking at the time again."""
        return max(1, int(self.maintenance_interval))

    def run_maintenance_tasks(self) -> None:
        """Tick; now and then let RQ clean its registries. Nothing in here may end the worker."""
        self._guarded("tick", import_string(TICK))
        connections.close_all()
        if time.monotonic() - self._registries_cleaned_at > CLEAN_REGISTRIES_SECONDS:
            self._registries_cleaned_at = time.monotonic()
            self._guarded("registries", super().run_maintenance_tasks)
        self.last_cleaned_at = self._now()

    @staticmethod
    def _now() -> Any:
        from rq.utils import now

        return now()

    def _guarded(self, what: str, act: Any) -> None:
        try:
            act()
        except (StopRequested, SystemExit):
            raise
        except Exception as error:
            logger.warning("%s failed, the worker goes on: %s", what, error)
            for queue in self.queues:
                self._release_lock(queue)

    @staticmethod
    def _release_lock(queue: Any) -> None:
        """RQ keeps its maintenance lock for 15 minutes after an error."""
        try:
            queue.release_maintenance_lock()
        except (RedisError, OSError):
            logger.debug("the maintenance lock of %s could not be released", queue.name)

    def dequeue_job_and_maintain_ttl(self, *args: Any, **kwargs: Any) -> Any:
        """The next job; one that cannot be read is dropped instead of ending the worker."""
        while True:
            try:
                return super().dequeue_job_and_maintain_ttl(*args, **kwargs)
            except (StopRequested, SystemExit, RedisError, OSError):
                raise
            except Exception as error:
                logger.error("a job in our queues could not be read and was dropped: %r", error)

    def fork_work_horse(self, job: Any, queue: Any) -> None:
        """Fork with no database socket that parent and child could both use."""
        connections.close_all()
        self._left[0] = Left.VANISHED
        super().fork_work_horse(job, queue)

    def main_work_horse(self, job: Any, queue: Any) -> None:
        """The child: asked to leave when its parent dies."""
        Identity.worker = self.name
        parent = os.getppid()
        ask_for_signal_on_parents_death()
        if os.getppid() != parent:  # it died between the fork and the request
            os._exit(1)
        super().main_work_horse(job, queue)

    def setup_work_horse_signals(self) -> None:
        """SIGTERM lets the record in hand finish; Ctrl-C is the parent's business."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        leave = import_string(LEAVE)
        signal.signal(signal.SIGTERM, lambda *_: leave())

    def perform_job(self, job: Any, queue: Any) -> bool:
        """In the child: work, then note that nothing stayed in hand."""
        done: bool = super().perform_job(job, queue)
        self._left[0] = Left.CLEAN if done else Left.FAILED
        return done

    def handle_warm_shutdown_request(self) -> None:
        """SIGTERM to us: the child finishes its record, gives back the rest, and ends."""
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]
        if self.horse_pid:
            try:
                os.kill(self.horse_pid, signal.SIGTERM)
            except ProcessLookupError:
                logger.debug("the child had just ended")

    def execute_job(self, job: Any, queue: Any) -> None:
        """Run the job in a child; afterwards nothing may be left of it, whatever happened."""
        try:
            super().execute_job(job, queue)
        except (RedisError, OSError) as error:
            logger.warning("Redis was gone when a job ended (%s): waiting for it", error)
            self.wait_for_horse()
            self._wait_for_redis()
        finally:
            self._reclaim()

    def _wait_for_redis(self) -> None:
        while not self._stop_requested:
            try:
                self.connection.ping()
            except (RedisError, OSError):
                time.sleep(REDIS_WAIT_SECONDS)
            else:
                self.register_birth_again()
                return

    def register_birth_again(self) -> None:
        """After a restart Redis may not know us any more."""
        if not self.connection.exists(self.key):
            self.register_birth()  # type: ignore[no-untyped-call]

    def wait_for_horse(self) -> Any:
        """RQ's, keeping the child's pid and end for what must be cleaned up after it."""
        self._last_horse = self.horse_pid or self._last_horse
        ended = super().wait_for_horse()
        self._horse_status = ended[1] if ended[1] is not None else self._horse_status
        return ended

    _last_horse = 0

    def _reclaim(self) -> None:
        """Take back what a child held that did not leave clean; costs nothing otherwise."""
        if self._left[0] == Left.CLEAN or not self._last_horse:
            return
        # Whether a record may have ended it: not where we ended it ourselves, nor on an error of
        # our own, such as a database that stayed away.
        by_a_record = self._left[0] == Left.VANISHED and not (
            os.WIFEXITED(self._horse_status) and os.WEXITSTATUS(self._horse_status) in OWN_EXITS
        )
        reclaim, owner = import_string(RECLAIM), owner_name(self.name, self._last_horse)
        self._guarded("reclaim", lambda: reclaim(owner, by_a_record=by_a_record))
        connections.close_all()


def ask_for_signal_on_parents_death() -> None:
    """Linux: SIGTERM to this process when its parent dies, however it dies."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
