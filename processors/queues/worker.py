"""The worker behind `manage.py rqworker`: RQ's, made safe to kill, stop, orphan and starve.

It ticks when it is idle, so cycles go on without a scheduler; closes database sockets before it
forks; tells its child to leave after the record in hand; and takes back what a child held that
ended without a word.
"""

import logging
import os
import signal
import time
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.db import connections
from django.utils.module_loading import import_string
from redis.exceptions import RedisError, ResponseError
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer
from rq.utils import now

from processors.queues.child import Left
from processors.queues.identity import owner_name
from processors.queues.job import SafeJob, TakenJob
from processors.queues.late_log import LateLog
from processors.queues.line import kind_of
from processors.queues.listed import Listed
from processors.queues.spare import Spare

logger = logging.getLogger(__name__)

WORKER_TTL_SECONDS = 30
IDLE_TICK_SECONDS = 5.0
CLEAN_REGISTRIES_SECONDS = 30.0
REDIS_WAIT_SECONDS = 2.0
REDIS_PAUSE_SECONDS = 0.5
REDIS_TOLD_SECONDS = 30.0  # between two lines about the same trouble

# Upwards through the layers by name: the queue must not import what uses it.
TICK = "processors.maintenance.tick"
RECLAIM = "processors.protocol.reaping.take_from_dead"


OWN_EXITS = (71, 72)  # of a child without a database or without a parent: see `cycle/watch.py`


class Leave(BaseException):
    """A request to stop that came amid work of ours: no `except Exception` on its way keeps it."""


def trouble_of(error: Exception) -> str:
    """What Redis says is told, what a socket says is not: it may hold an address."""
    if isinstance(error, ResponseError):
        return f"Redis refuses ({error})"
    return f"Redis is gone ({kind_of(error)})"


class SafeWorker(Listed):
    """One forked child per job; the parent never keeps a database connection."""

    max_connection_wait_time = 5.0  # seconds between looks for a Redis that is away

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["serializer"] = JSONSerializer
        kwargs["worker_ttl"] = WORKER_TTL_SECONDS
        super().__init__(*args, **kwargs)
        self.log: Any = LateLog(self.log)
        self.maintenance_interval = min(IDLE_TICK_SECONDS, settings.LEASE_SECONDS / 4)  # type: ignore[assignment]
        self._registries_cleaned_at = 0.0
        self._horse_status = 0
        self._is_minding = False  # amid a tick, or another duty beside jobs
        self._spare: Spare | None = None
        self._trouble_told_at = -REDIS_TOLD_SECONDS

    @property
    def dequeue_timeout(self) -> int:
        """Seconds to wait for a job before looking at the time again."""
        return max(1, int(self.maintenance_interval))

    def check_for_suspension(self, burst: bool) -> None:  # noqa: FBT001 - as its base class
        """RQ's; while Redis is away nobody can have asked for a suspension."""
        try:
            super().check_for_suspension(burst)
        except (RedisError, OSError) as error:
            self._wait_out(error)

    def run_maintenance_tasks(self) -> None:
        """Tick; now and then let RQ clean its registries. Nothing in here may end the worker."""
        self._guarded("tick", import_string(TICK))
        connections.close_all()
        if time.monotonic() - self._registries_cleaned_at > CLEAN_REGISTRIES_SECONDS:
            self._registries_cleaned_at = time.monotonic()
            self._guarded("registries", super().run_maintenance_tasks)
        self._guarded("registration", self.register_again)
        self._keep_spare()
        self.last_cleaned_at = now()  # type: ignore[assignment]

    def _guarded(self, what: str, act: Any) -> None:
        self._is_minding = True
        try:
            act()
        except Leave as leave:
            raise StopRequested from leave
        except (StopRequested, SystemExit):
            raise
        except Exception as error:
            logger.warning("%s failed, the worker goes on: %s", what, error)
            for queue in self.queues:
                self._release_lock(queue)
        finally:
            self._is_minding = False

    def _shutdown(self) -> None:
        """RQ's, which raises StopRequested wherever we are: a tick takes that for trouble."""
        if self._is_minding:
            self._stop_requested = True
            raise Leave
        super()._shutdown()  # type: ignore[no-untyped-call]

    @staticmethod
    def _release_lock(queue: Any) -> None:
        """RQ keeps its maintenance lock for 15 minutes after an error."""
        try:
            queue.release_maintenance_lock()
        except (RedisError, OSError):
            logger.debug("the maintenance lock of %s could not be released", queue.name)

    def dequeue_job_and_maintain_ttl(self, *args: Any, **kwargs: Any) -> Any:
        """The next job; neither one that cannot be read nor a Redis that is away ends us."""
        self._keep_spare()
        while True:
            self.log.tell()
            try:
                found = super().dequeue_job_and_maintain_ttl(*args, **kwargs)
            except (StopRequested, SystemExit):
                raise
            except (RedisError, OSError) as error:
                self._wait_out(error)
                if self._stop_requested:
                    return None
            except Exception as error:
                logger.error("a job in our queues could not be read and was dropped: %r", error)
            else:
                self._trouble_told_at = -REDIS_TOLD_SECONDS
                return found

    def reorder_queues(self, reference_queue: Any) -> None:
        """RQ's; called when a job was taken, right before a line about it, which can wait."""
        super().reorder_queues(reference_queue)
        self.log.hold()

    def fork_work_horse(self, job: Any, queue: Any) -> None:
        """Send the spare child to work, or fork one now.

        Either way it is the parent that notes the beginning in Redis. A spare child does not wait
        for that: it waits before it notes its end.
        """
        self._left[0] = Left.VANISHED
        spare, self._spare = self._spare, None
        # Known before it can begin, so that a command to stop the job finds whom to stop.
        self._horse_pid = spare.pid if spare else 0
        try:
            is_at_work = spare is not None and spare.hand_over(self._errand(job, queue))
            self._horse_pid = spare.pid if spare and is_at_work else 0
            self._note_beginning(job)
        finally:
            if spare is not None:
                spare.close()
            self.log.tell()
        if not is_at_work:
            connections.close_all()
            super().fork_work_horse(job, queue)

    def _keep_spare(self) -> None:
        """Fork the child of the next job, unless one is waiting already.

        Only while no job is in hand: so a worker never has more than one child, and with it one
        connection to the database.
        """
        if not settings.SPARE_CHILD or self._stop_requested:
            return
        if self._spare is not None and not self._spare.has_ended():
            return
        connections.close_all()  # no socket that parent and child could both use
        try:
            self._spare = Spare.fork(self._live_as_spare)
        except OSError as error:
            self._spare = None
            logger.warning("no spare child could be forked, the worker goes on: %s", error)
        with suppress(RedisError, OSError):
            # After a fork the parent, too, copies each page that it writes to. Better now.
            SafeJob.sample(self.connection)
        TakenJob.get_ready(self.connection)

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

    def teardown(self) -> None:
        """The end of the worker is the end of its spare child."""
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.end()
        super().teardown()  # type: ignore[no-untyped-call]

    def _wait_out(self, error: Exception) -> None:
        """Wait for a Redis that is away or refuses; a full one comes here twice a second."""
        now = time.monotonic()
        if now - self._trouble_told_at >= REDIS_TOLD_SECONDS:
            self._trouble_told_at = now
            logger.warning("%s: waiting for it", trouble_of(error))
        self._wait_for_redis()

    def _wait_for_redis(self) -> None:
        time.sleep(REDIS_PAUSE_SECONDS)  # one that is full answers, and refuses the next command
        while not self._stop_requested:
            try:
                self.register_again()
            except (RedisError, OSError):
                time.sleep(REDIS_WAIT_SECONDS)
            else:
                return

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
