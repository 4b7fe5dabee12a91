"""What a fault is, and what it can reach."""

import random
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import redis

from tests.chaos.crew import Crew
from tests.chaos.killings import KillersLog
from tests.chaos.site import Site


@dataclass(frozen=True)
class Scene:
    """Everything there is to break."""

    site: Site
    crew: Crew
    rng: random.Random
    killed: KillersLog = field(default_factory=KillersLog)

    def ask_redis(self, *command: Any) -> Any:
        """A command to the server itself, past the proxy."""
        with closing(redis.Redis.from_url(self.site.redis.url, socket_timeout=5)) as client:
            return client.execute_command(*command)  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class Healing:
    """What ends a fault that lasts, and after how many seconds."""

    heal: Callable[[], object]
    seconds: float


class NotNow(Exception):
    """There is nothing to strike at in this moment."""


@dataclass(frozen=True)
class Fault:
    """One kind, with its number in docs/reliability.md.

    `strike` returns what heals it, None where it is over at once. Of the faults of one `place`
    only one goes on at a time.
    """

    number: str
    what: str
    strike: Callable[[Scene], Healing | None]
    weight: int = 10
    place: str = ""
