"""What a worker is in its child: connected beforehand where it can be, and easy to part with.

A child does one job. It finishes the record in hand when it is asked to leave, which its parent's
death asks for too, and notes in a byte that it shares with its parent how it left.
"""

import gc
import logging
import marshal
import mmap
import os
import signal
import socket
from enum import IntEnum
from typing import Any

from django.db import connections
from django.utils.module_loading import import_string
from rq import Worker
from rq.executions import Execution

from processors.queues.identity import Identity
from processors.queues.job import GivenUp, SafeJob, TakenJob
from processors.queues.spare import follow_parent, stop_waiting, wait_for_close, wait_for_errand

logger = logging.getLogger(__name__)

# Upwards through the layers by name: the queue must not import what uses it.
LEAVE = "processors.cycle.leave"
REHEARSE = "processors.cycle.rehearse"


class Left(IntEnum):
    """How a child left."""

    VANISHED = 0  # without a word: something ended it
    CLEAN = 1  # with nothing in hand
    FAILED = 2  # on an error of ours, perhaps with records in hand


class Child(Worker):
    """The part of `SafeWorker` that its children run."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # One byte shared with the child: how it left; see `Left`.
        self._left = mmap.mmap(-1, 1)
        self._door: socket.socket | None = None  # of a child that was a spare one

    def _errand(self, job: Any, queue: Any) -> bytes:
        """In the parent: the job as it was read, if it was, for a child forked before that."""
        assert self.execution is not None
        return marshal.dumps((job.id, job.stored, queue.name, self.execution.id))

    def _live_as_spare(self, door: socket.socket) -> None:
        """Get everything ready, wait for a job, do it."""
        self._is_horse = True
        os.setpgrp()
        leave = import_string(LEAVE)

        def asked_to_leave(*_: object) -> None:
            leave()
            stop_waiting(door)

        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, asked_to_leave)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
        follow_parent(self.pid or 0)
        self._rehearse()
        gc.freeze()  # collecting what we share with the parent would copy all of it
        errand = wait_for_errand(door)
        if not errand:
            os._exit(0)
        self._door = door
        self.main_work_horse(*self._read_errand(errand))

    def _rehearse(self) -> None:
        """Connect, and fill what is filled at first use; trouble is left to the job itself."""
        try:
            with self.connection.pipeline() as pipeline:
                pipeline.ping()
                pipeline.execute()
            SafeJob.sample(self.connection).func  # noqa: B018 - found once, it is known
            TakenJob.get_ready(self.connection)
            for queue in self.queues:
                self._queue_named(queue.name).started_job_registry  # noqa: B018 - the same
            import_string(REHEARSE)()
        except Exception as error:
            logger.info("a spare child waits without its connections: %s", error)
            connections.close_all()

    def _read_errand(self, errand: bytes) -> tuple[Any, Any]:
        job_id, stored, queue_name, execution_id = marshal.loads(errand)  # noqa: S302 - our parent's
        if stored:
            job = self.job_class(job_id, connection=self.connection)
            job.restore(stored)
        else:
            job = TakenJob.fetch(job_id, self.connection)
            job.origin = queue_name
        queue = self._queue_named(queue_name)
        self.execution = Execution(execution_id, job_id, self.connection, self.name)
        return job, queue

    def _queue_named(self, name: str) -> Any:
        return self.queue_class.from_queue_key(
            f"{self.queue_class.redis_queue_namespace_prefix}{name}",
            connection=self.connection,
            job_class=self.job_class,
            serializer=self.serializer,
        )

    def main_work_horse(self, job: Any, queue: Any) -> None:
        """The child: asked to leave when its parent dies."""
        Identity.worker = self.name
        if self._door is None:  # a spare one did so when it was forked
            follow_parent(self.pid or 0)
        super().main_work_horse(job, queue)

    def setup_work_horse_signals(self) -> None:
        """SIGTERM lets the record in hand finish; Ctrl-C is the parent's business."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        leave = import_string(LEAVE)
        signal.signal(signal.SIGTERM, lambda *_: leave())

    def prepare_job_execution(self, *args: Any, **kwargs: Any) -> None:
        """Nothing: the parent notes the beginning."""

    def handle_execution_ended(self, *args: Any, **kwargs: Any) -> None:
        """In the child: note the end, but not before the beginning."""
        if self._door is not None:
            wait_for_close(self._door)
            self._door = None
        super().handle_execution_ended(*args, **kwargs)

    def handle_exception(self, job: Any, *exc_info: Any) -> None:
        """RQ's, which tells all with a traceback: what is no surprise needs but a line."""
        error = exc_info[1]
        if isinstance(error, GivenUp):
            logger.warning("job %s ends early: %s", job.id, error)
        elif job.is_through:
            logger.warning("job %s is through, which Redis was not told: %r", job.id, error)
        else:
            super().handle_exception(job, *exc_info)

    def perform_job(self, job: Any, queue: Any) -> bool:
        """In the child: work, then note that nothing stayed in hand."""
        done: bool = super().perform_job(job, queue)
        self._left[0] = Left.CLEAN if done else Left.FAILED
        return done
