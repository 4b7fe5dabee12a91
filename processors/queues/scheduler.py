"""The scheduler behind `manage.py rqscheduler`: it ticks, every second, in its own process.

Schedules live in the database. rq-scheduler's own set of jobs is served as well, but nothing of
ours depends on it, and no entry in it can end or delay the process. Any number may run.
"""

import logging
import os
import signal
import socket
import threading
import time
import uuid
from types import FrameType
from typing import Any

from django.db import connections
from django.utils.module_loading import import_string
from django_rq.queues import DjangoScheduler
from redis.exceptions import RedisError

from processors.queues.job import ForeignJob
from processors.queues.worker import TICK

logger = logging.getLogger(__name__)

TICK_SECONDS = 1.0
MAX_WAIT_SECONDS = 30.0
SEEN = "processors.maintenance.note_scheduler"


class SafeScheduler(DjangoScheduler):
    """Survives Redis and database restarts, foreign entries, and its own twins."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._leaving = threading.Event()
        self._set_served_at = 0.0
        self._wait = TICK_SECONDS

    def run(self, burst: bool = False) -> None:  # noqa: FBT001, FBT002 - as its base class
        """Tick until told to leave; `burst`: once."""
        signal.signal(signal.SIGINT, self._leave)
        signal.signal(signal.SIGTERM, self._leave)
        logger.info("scheduler %s is ticking", self.display_name)
        while not self._leaving.is_set():
            self._pass()
            if burst:
                break
            self._leaving.wait(self._wait)
        logger.info("scheduler %s leaves", self.display_name)

    def _leave(self, signum: int, frame: FrameType | None) -> None:
        self._leaving.set()

    @property
    def display_name(self) -> str:
        """Who this is, for the health page."""
        return f"{socket.gethostname()}:{os.getpid()}"

    def _pass(self) -> None:
        try:
            import_string(TICK)()
            import_string(SEEN)(self.display_name)
            self._wait = TICK_SECONDS
        except Exception as error:
            self._wait = min(self._wait * 2, MAX_WAIT_SECONDS)
            logger.warning("tick failed, again in %.0f s: %s", self._wait, error)
            connections.close_all()
        if time.monotonic() - self._set_served_at >= self._interval:
            self._set_served_at = time.monotonic()
            self._serve_set()

    def _serve_set(self) -> None:
        """rq-scheduler's own work; a new name after trouble, because it refuses a known one."""
        try:
            if self.acquire_lock():  # type: ignore[no-untyped-call]
                self.enqueue_jobs()
        except (RedisError, OSError) as error:
            self.name = uuid.uuid4().hex
            logger.warning("Redis does not answer (%s)", type(error).__name__)
        finally:
            self._drop_lock()

    def _drop_lock(self) -> None:
        try:
            self.remove_lock()  # type: ignore[no-untyped-call]
        except (RedisError, OSError):
            self._lock_acquired = False  # it runs out by itself

    def enqueue_jobs(self) -> list[Any]:
        """Push due jobs of ours; whatever else lies in the set is taken out and reported."""
        due = self.connection.zrangebyscore(self.scheduled_jobs_key, 0, time.time())
        return [job for job in map(self._push, due) if job is not None]

    def _push(self, raw_id: bytes) -> Any:
        try:
            job: Any = self.job_class.fetch(raw_id.decode(), connection=self.connection)
            job.check()
            self.enqueue_job(job)  # type: ignore[no-untyped-call]
        except (RedisError, OSError):
            raise
        except ForeignJob as error:
            logger.error("removed from the schedule: %s", error)
            self.connection.zrem(self.scheduled_jobs_key, raw_id)
        except Exception as error:
            logger.error("removed from the schedule, unreadable: %r (%r)", raw_id, error)
            self.connection.zrem(self.scheduled_jobs_key, raw_id)
        else:
            return job
        return None
