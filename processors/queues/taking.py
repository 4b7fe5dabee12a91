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
