"""A job that can do nothing but what we put into the queues ourselves.

Whoever can write to Redis could otherwise run code on our workers: by a pickle, by the name of
any importable function, or by a callback.
"""

import re
import uuid
from typing import Any, ClassVar

from rq.job import Job
from rq.serializers import JSONSerializer

WORK = "processors.tasks.work"
ACT = "processors.tasks.act_on_many"
ALLOWED = frozenset({WORK, ACT})


FAILED_TTL_SECONDS = 86_400
TIME_BUDGET_SECONDS = 60  # after which a job hands over to its successor
LAST_NET_SECONDS = 86_400 + 2 * TIME_BUDGET_SECONDS  # our own watchdog ends a record long before
TERMS: dict[str, Any] = {
    "timeout": LAST_NET_SECONDS,
    "result_ttl": 0,
    "failure_ttl": FAILED_TTL_SECONDS,
}
"""What all our jobs have in common."""

# A wake-up's name says which run it is for; the rest is random.
NAMED = re.compile(r"run-([1-9][0-9]{0,17})-[0-9a-f]{32}")


def wake_up_name(run_id: int) -> str:
    """A new one for a run."""
    return f"run-{run_id}-{uuid.uuid4().hex}"


def wake_up_words(run_id: int) -> str:
    """What people read about it."""
    return f"run {run_id}"


class ForeignJob(Exception):
    """A job in our queues that is not one of ours: it is refused, never run."""


class GivenUp(Exception):
    """A job that cannot go on for a reason that is no mistake of ours: told in a line."""


class SafeJob(Job):
    """JSON only, named callables only, no callbacks, no webhooks."""

    def __init__(
        self,
        id: str | None = None,  # noqa: A002 - the base class calls it so
        connection: Any = None,
        serializer: Any = None,
    ) -> None:
        super().__init__(id, connection, JSONSerializer)
        self.stored: Any = {}  # the hash as it was read
        self.is_through = False  # what it calls has returned

    @property
    def func(self) -> Any:
        """The callable; raises ForeignJob for any but ours."""
        self.check()
        return super().func

    def check(self) -> None:
        """Raise ForeignJob unless the job calls what we call, as we call it."""
        name = self.func_name
        if name not in ALLOWED or self.instance is not None:
            allowed = " and ".join(sorted(ALLOWED))
            raise ForeignJob(f"job {self.id} calls {name!r}: refused, only {allowed} may be called")

    def restore(self, raw_data: Any) -> Any:
        """Read the job's hash, leaving out whatever would call something afterwards."""
        self.stored = raw_data
        restored = super().restore(raw_data)
        self._success_callback_name = None
        self._failure_callback_name = None
        self._stopped_callback_name = None
        self.webhooks = []
        return restored

    @classmethod
    def sample(cls, connection: Any) -> "SafeJob":
        """A job as ours are, asked of Redis, which does not know it: to practise on."""
        made = cls.create(WORK, args=(0,), connection=connection)
        connection.hgetall(made.key)
        read = cls(made.id, connection)
        read.restore(made.to_dict())
        return read

    def perform(self) -> Any:
        """Call it; unlike RQ's, without making a hash permanent that was put without an end."""
        self._result = self._execute()
        self.is_through = True
        return self._result


class TakenJob(SafeJob):
    """A job as a worker takes it: a wake-up's name says all of it, so Redis need not be asked.

    Nor could Redis say anything else of it: a wake-up that was tampered with wakes a run.
    """

    @classmethod
    def fetch(cls, id: str, connection: Any = None, serializer: Any = None) -> Any:  # noqa: A002
        """As the base class's; raises NoSuchJobError."""
        named = NAMED.fullmatch(id)
        if named is None:
            return super().fetch(id, connection, serializer)
        blank, cls.blank = cls.blank, None
        job = blank or cls.create(WORK, (0,), connection=connection, **TERMS)
        job.id, job.connection = id, connection
        job.args, job.description = (int(named[1]),), wake_up_words(int(named[1]))
        return job

    blank: ClassVar[Any] = None  # made beforehand, for the next one

    @classmethod
    def get_ready(cls, connection: Any) -> None:
        """Make the next one's while there is time."""
        cls.blank = cls.create(WORK, (0,), connection=connection, **TERMS)
