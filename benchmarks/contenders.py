"""Who drains the records: the product from a table or its inbox, the bare loop, Celery, RQ.

Each is made ready (rows and messages there, not to be had yet; workers started and idle), then
let go. The time counts from there until the last record is done.
"""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import ClassVar

from benchmarks.databases import Database, Goods
from benchmarks.product import Setup
from benchmarks.rivals.assignment import Assignment
from benchmarks.servers import Site
from benchmarks.verification import check_statuses, check_trace
from benchmarks.watching import Watch

Workers = AbstractContextManager[list[int]]


@dataclass(frozen=True)
class Round:
    """One contender's drain: seconds, and what it used. CPU in seconds, memory in MB."""

    records: int
    seconds: float
    worker_seconds: float
    database_seconds: float
    peak_mb: float

    @property
    def rate(self) -> float:
        """Records a second."""
        return self.records / self.seconds


@dataclass
class Bench:
    """What the contenders of one measurement share; `setup` is the product's."""

    site: Site
    database: Database
    goods: Goods
    setup: Setup
    commit_each: bool = False

    def assignment(self, trace: str, prefetch: int = 4) -> Assignment:
        labour = self.setup.handler if self.setup.handler != "unrepeatable" else "noop"
        return Assignment(
            self.site.database_url,
            self.site.redis.url,
            labour,
            trace,
            self.commit_each,
            prefetch,
        )


class Contender(ABC):
    """Drains records 1 to `count`; with `trace` each leaves a line in that directory."""

    name: ClassVar[str]

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def drain(self, count: int, trace: str = "") -> Round:
        """One round. Raises NotOnce where the books do not say what they should."""
        self.prepare(count, trace)
        with self.idle_workers(count, trace) as workers:
            with Watch(workers, self.bench.site.database_pids) as watch:
                seconds = self.go(count)
            self.check(count, trace)
        used = (watch.worker_seconds, watch.database_seconds, watch.peak_mb)
        return Round(count, seconds, *used)

    def verify(self, count: int) -> None:
        """A round that is not measured but looked at closely. Raises NotOnce."""
        directory = self.bench.site.new_directory("trace")
        self.drain(count, str(directory))
        check_trace(directory, count)

    def prepare(self, count: int, trace: str) -> None:
        """Rows, and whatever else must be there."""
        self.bench.goods.refill(count)

    @abstractmethod
    def idle_workers(self, count: int, trace: str) -> Workers:
        """Workers that wait, for the time of the block; their process ids."""

    @abstractmethod
    def go(self, count: int) -> float:
        """Let them have the work; the seconds until all of it is done."""

    def check(self, count: int, trace: str) -> None:
        """The books after a round. Raises NotOnce."""
        check_statuses(self.bench.goods.statuses(), count)
