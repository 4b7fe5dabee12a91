"""How a worker stands in Redis: its name, what it tells of itself, and what it has begun."""

import logging
import uuid
from typing import Any

from rq import Queue, worker_registration
from rq.executions import Execution, ExecutionRegistry
from rq.utils import now, utcformat
from rq.worker import WorkerStatus

from processors.queues import roll_call
from processors.queues.child import Child
from processors.queues.worker_facts import OURS

logger = logging.getLogger(__name__)

HEARD_SECONDS = 5.0  # for so long a heartbeat says nothing new


class Listed(Child):
    """The part of `SafeWorker` that others see."""

    def register_birth(self) -> None:
        """RQ's; a name that a twin has, or one that was just killed, is not begrudged."""
        try:
            super().register_birth()  # type: ignore[no-untyped-call]
        except ValueError:
            taken, self.name = self.name, f"{self.name}-{uuid.uuid4().hex[:6]}"
            logger.warning("a worker %s is known already: this one is %s", taken, self.name)
            super().register_birth()  # type: ignore[no-untyped-call]

    def serialize(self) -> Any:
        """RQ's facts about this worker and ours."""
        seconds, micros = self.connection.time()
        return {**super().serialize(), OURS: roll_call.own_facts(seconds + micros / 1e6)}

    def register_again(self) -> None:
        """After a restart or a FLUSHALL Redis may not know us any more."""
        if self.connection.sismember(self.redis_workers_keys, self.key):
            return
        facts: Any = self.serialize()
        with self.connection.pipeline() as pipeline:
            pipeline.hset(self.key, mapping=facts)
            pipeline.expire(self.key, self.worker_ttl + 60)
            worker_registration.register(self, pipeline)
            pipeline.execute()

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """RQ's, which costs two round trips; one that says what was just said is left out."""
        if timeout is None and pipeline is None and self._was_heard_just_now():
            return
        super().heartbeat(timeout, pipeline)

    def _was_heard_just_now(self) -> bool:
        last = self.last_heartbeat
        return last is not None and (now() - last).total_seconds() < HEARD_SECONDS

    def prepare_execution(self, job: Any) -> Execution:
        """Name the execution; it is noted in Redis where the child begins."""
        self._state = WorkerStatus.BUSY
        self.execution = Execution(uuid.uuid4().hex, job.id, self.connection, self.name)
        return self.execution

    def _note_beginning(self, job: Any) -> None:
        """All that RQ notes in Redis when a job begins, as one round trip."""
        execution, ttl = self.execution, self.get_heartbeat_ttl(job)
        assert execution is not None
        worker: Any = {
            "state": self._state,
            "current_job": job.id,
            "current_job_working_time": 0,
            "last_heartbeat": utcformat(execution.created_at),
        }
        with self.connection.pipeline() as pipeline:
            execution.save(ttl, pipeline)
            ExecutionRegistry(job.id, pipeline).add(execution, ttl, pipeline)
            job.started_job_registry.add_execution(execution, pipeline, ttl)
            pipeline.hset(self.key, mapping=worker)
            pipeline.expire(self.key, ttl)
            job.prepare_for_execution(self.name, pipeline)
            if len(self.queues) == 1:  # then it was taken by way of the intermediate queue
                queue = Queue(job.origin, connection=self.connection)
                pipeline.lrem(queue.intermediate_queue_key, 1, job.id)
            pipeline.execute()
