"""The only package that imports the queue library.

Redis carries wake-ups ("run 17 may have work") and nothing else: lost, doubled or forged ones
change nothing but timing.
"""

from processors.queues.job import GivenUp, SafeJob
from processors.queues.roll_call import other_workers
from processors.queues.scheduler import SafeScheduler
from processors.queues.taking import SafeQueue
from processors.queues.wakeups import (
    ACTS_QUEUE,
    QueueState,
    forget_runs,
    queue_states,
    relay,
    runs_waiting,
    wake,
    wake_for_act,
    wake_on_commit,
)
from processors.queues.worker import SafeWorker
from processors.queues.worker_facts import Crew, WorkerFacts, crew

__all__ = [
    "ACTS_QUEUE",
    "Crew",
    "GivenUp",
    "QueueState",
    "SafeJob",
    "SafeQueue",
    "SafeScheduler",
    "SafeWorker",
    "WorkerFacts",
    "crew",
    "forget_runs",
    "other_workers",
    "queue_states",
    "relay",
    "runs_waiting",
    "wake",
    "wake_for_act",
    "wake_on_commit",
]
