"""What a soak sees once in a while without luck: FLUSHALL, a crash, a deploy."""

import signal
import time
from collections.abc import Callable, Iterator

from tests.chaos import database_faults, redis_faults
from tests.chaos.crew import Crew
from tests.chaos.faults import Striker
from tests.chaos.scene import Fault, Healing, Scene

FLUSH = Fault("F22", "FLUSHALL", redis_faults.flush)
CRASH = Fault("F32", "Postgres crashed, away up to 4 s", database_faults.crash, place="postgres")


class Regular:
    """Each of them once in `seconds`, one after the other."""

    def __init__(self, striker: Striker, crew: Crew, seconds: float, database: str) -> None:
        self.striker = striker
        self.crew = crew
        turns: list[Fault] = [FLUSH, Fault("F6", "rolling deploy: SIGTERM to each worker", deploy)]
        if database == "postgres":
            turns.append(CRASH)
        self._turns = self._forever(turns)
        self._gap = seconds / len(turns)
        self._next_at = time.monotonic() + self._gap

    @staticmethod
    def _forever(turns: list[Fault]) -> Iterator[Fault]:
        while True:
            yield from turns

    def turn(self, records: int) -> None:
        """Strike when it is time and the place is free."""
        if time.monotonic() >= self._next_at and self.striker.strike(next(self._turns), records):
            self._next_at = time.monotonic() + self._gap


def deploy(scene: Scene) -> Healing:
    """New code comes: every worker is told to leave, and its successor starts."""
    workers: list[Callable[[int], None]] = [post.process.send for post in scene.crew.exposed]
    for send in workers:
        send(signal.SIGTERM)
    return Healing(lambda: None, 5.0)
