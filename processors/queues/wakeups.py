"""Wake workers by putting run ids into Redis; trouble with Redis is logged, never raised.

The database holds everything that matters. `relay`, called by every tick, puts back what was
lost.
"""

import logging
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache, partial

import django_rq
from django.conf import settings
from django.db import transaction
from redis.exceptions import RedisError
from rq import Queue
from rq.queue import EnqueueData

from processors import failpoints
from processors.queues.census import are_suspended, waiting_in
from processors.queues.job import ACT, NAMED, TERMS, WORK, SafeJob, wake_up_name, wake_up_words
from processors.queues.worker_facts import listeners

logger = logging.getLogger(__name__)

FLOOD = 4  # wake-ups that may wait in a queue, times those that are wanted
LOOKED_AT = 10_000  # jobs of a queue
ACTS_QUEUE = "default"  # whose workers do an operator's acts on many records


@dataclass(frozen=True)
class QueueState:
    """A queue as Redis has it now; None where Redis does not answer.

    `oldest_at`: since when the job waits that is next; None where none does, or nobody knows.
    `is_suspended`: whether somebody had all workers take no further job.
    """

    name: str
    waiting: int | None
    workers: int | None
    oldest_at: datetime | None = None
    is_suspended: bool = False


@cache
def queue(name: str) -> Queue:
    """One object per process: each opens a connection of its own."""
    found: Queue = django_rq.get_queue(name)
    return found


def wake_on_commit(run_id: int, queue_name: str, count: int = 1) -> None:
    """Wake up to `count` workers for a run once the transaction has committed."""
    transaction.on_commit(partial(failpoints.reach, "tick.after_commit_before_enqueue"))
    transaction.on_commit(partial(wake, run_id, queue_name, count), robust=True)


def wake(run_id: int, queue_name: str, count: int = 1) -> bool:
    """Put `count` wake-ups for a run into its queue; whether Redis took them."""
    if not push(queue_name, [wake_up(run_id) for _ in range(count)]):
        return False
    failpoints.reach("enqueue.after_push")
    return True


def wake_for_act(act_id: int) -> bool:
    """Wake one worker for an operator's act on many records, before what waits already."""
    words = f"act {act_id}"
    job = Queue.prepare_data(ACT, args=(act_id,), description=words, at_front=True, **TERMS)
    return push(ACTS_QUEUE, [job])


def wake_up(run_id: int) -> EnqueueData:
    """A job that wakes a worker for a run."""
    words, name = wake_up_words(run_id), wake_up_name(run_id)
    return Queue.prepare_data(WORK, args=(run_id,), description=words, job_id=name, **TERMS)


def push(queue_name: str, jobs: list[EnqueueData]) -> bool:
    """Whether Redis took them."""
    try:
        queue(queue_name).enqueue_many(jobs)
    except (RedisError, OSError) as error:
        logger.warning(
            "Redis took no wake-up for %s (%s): the next tick tries again",
            jobs[0].description,
            type(error).__name__,
        )
        return False
    return True


def relay(run_id: int, queue_name: str, wanted: int) -> bool:
    """Put back wake-ups that may have been lost, without ever flooding the queue.

    Of a run no more wait than are wanted: where no worker listens, they would pile up.
    """
    if wanted < 1:
        return True
    try:
        room = FLOOD * wanted - queue(queue_name).count
        if room > 0:
            room = min(room, wanted - runs_waiting(queue_name)[run_id])
    except (RedisError, OSError) as error:
        logger.warning(
            "Redis does not answer (%s): the next tick tries again", type(error).__name__
        )
        return False
    return room <= 0 or wake(run_id, queue_name, room)


def runs_waiting(queue_name: str) -> Counter[int]:
    """How many wake-ups of each run wait in a queue. Raises RedisError."""
    named = map(NAMED.fullmatch, queue(queue_name).get_job_ids(0, LOOKED_AT))
    return Counter(int(found[1]) for found in named if found)


def forget_runs(queue_name: str, run_ids: Collection[int]) -> None:
    """Take the wake-ups of these runs out of a queue. Raises RedisError."""
    found = queue(queue_name)
    for job_id in found.get_job_ids(0, LOOKED_AT):
        named = NAMED.fullmatch(job_id)
        if named and int(named[1]) in run_ids:
            found.connection.lrem(found.key, 0, job_id)
            found.connection.delete(SafeJob.key_for(job_id))


def queue_states(names: Iterable[str] | None = None) -> list[QueueState]:
    """Every queue with what waits in it and who listens; costs a few Redis round trips."""
    return [state_of(name) for name in names or settings.QUEUES]


def state_of(name: str) -> QueueState:
    """One queue."""
    try:
        [(waiting, oldest_at)] = waiting_in([name])
        return QueueState(name, waiting, listeners(name), oldest_at, are_suspended())
    except (RedisError, OSError):
        return QueueState(name, None, None)
