"""The queue as workers take jobs from it."""

from collections.abc import Iterable
from typing import Any

from django_rq.queues import DjangoRQ

from processors.queues.job import TakenJob


class SafeQueue(DjangoRQ):
    """RQ's, which need not be asked what a wake-up is: see `TakenJob`."""

    @classmethod
    def dequeue_any(cls, queues: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
        """The next job with its queue; None where `timeout` is None and there is none."""
        found = super().dequeue_any(queues, *args, **kwargs | {"job_class": TakenJob})
        if found is not None:
            job, queue = found
            job.origin = queue.name
        return found

    @classmethod
    def from_queue_key(cls, queue_key: str, *args: Any, **kwargs: Any) -> Any:
        """The queue of that key; made once for each connection that a process has."""
        place = queue_key, id(kwargs.get("connection")), kwargs.get("job_class")
        if place not in MADE:
            MADE[place] = super().from_queue_key(queue_key, *args, **kwargs)
        return MADE[place]


# Each queue holds its connection, so no other one comes to have the same id.
MADE: dict[tuple[object, ...], Any] = {}
