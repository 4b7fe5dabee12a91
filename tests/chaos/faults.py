"""Strike and heal: a fault now and then, drawn from the seed."""

import heapq
import itertools
import logging
import random
import time
from dataclasses import dataclass, field

from redis.exceptions import RedisError

from tests.chaos import database_faults, process_faults, redis_faults
from tests.chaos.scene import Fault, Healing, NotNow, Scene

logger = logging.getLogger(__name__)


def kinds(database: str) -> tuple[Fault, ...]:
    """What there is for a database."""
    of_database = {"postgres": database_faults.ON_POSTGRES, "sqlite": database_faults.ON_SQLITE}
    return (*process_faults.FAULTS, *redis_faults.FAULTS, *of_database[database])


@dataclass
class Struck:
    """A fault that happened; times of the wall clock, `records` that were open then."""

    fault: Fault
    at: float
    records: int
    healed_at: float | None = None


@dataclass(order=True)
class Due:
    """A healing that waits for its time."""

    at: float
    number: int
    healing: Healing = field(compare=False)
    struck: Struck = field(compare=False)


class Striker:
    """Breaks things, one after the other and several at once."""

    def __init__(
        self, scene: Scene, faults: tuple[Fault, ...], between: tuple[float, float]
    ) -> None:
        self.scene = scene
        self.faults = faults
        self.between = between
        self.history: list[Struck] = []
        self._due: list[Due] = []
        self._numbers = itertools.count()
        self._next_at = 0.0

    def turn(self, records: int) -> None:
        """Heal what is due, and strike when it is time."""
        self.heal()
        now = time.monotonic()
        if now >= self._next_at:
            self._next_at = now + self.scene.rng.uniform(*self.between)
            self.strike(self._choose(self.scene.rng), records)

    def heal(self, *, everything: bool = False) -> None:
        """End what has lasted long enough, or all of it."""
        while self._due and (everything or self._due[0].at <= time.monotonic()):
            due = heapq.heappop(self._due)
            due.healing.heal()
            due.struck.healed_at = time.time()

    def strike(self, fault: Fault, records: int) -> bool:
        """Whether there was something to strike at, and nothing else went on there."""
        if fault.place in self._taken:
            return False
        try:
            healing = fault.strike(self.scene)
        except NotNow:
            return False
        except (RedisError, OSError) as error:  # Redis is away by another fault
            logger.info("%s: not now (%s)", fault.what, type(error).__name__)
            return False
        struck = Struck(fault, time.time(), records)
        self.history.append(struck)
        if healing is None:
            struck.healed_at = struck.at
        else:
            at = time.monotonic() + healing.seconds
            heapq.heappush(self._due, Due(at, next(self._numbers), healing, struck))
        return True

    @property
    def _taken(self) -> set[str]:
        """Places where a fault goes on."""
        return {due.struck.fault.place for due in self._due} - {""}

    def _choose(self, rng: random.Random) -> Fault:
        """By weight, among those whose place is free."""
        free = [fault for fault in self.faults if fault.place not in self._taken]
        return rng.choices(free, [fault.weight for fault in free])[0]
