"""What must stay flat in a soak: memory, descriptors, Redis, dead rows, indexes, claims."""

import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import linear_regression, quantiles
from typing import Any

from django.db import DatabaseError, InterfaceError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from redis.exceptions import RedisError

from benchmarks.watching import GONE
from processors.clock import database_now
from processors.models import Processor
from processors.sources import open_source
from processors.sources.base import Pick
from tests.chaos.scene import Scene

SAMPLE_SECONDS = 5.0
PROBES = 5  # claims a sample
ENOUGH = 20  # records in a claim, for its blocks to be those of its records
LEAST_SAMPLES = 12  # of a process, for a slope to mean something
HOT = ("processors_batch", "processors_record", "processors_run", "processors_attempt")
SIZES = """
SELECT sum(n_dead_tup), sum(pg_indexes_size(relid)), sum(pg_table_size(relid)),
       (SELECT count(*) FROM processors_record),
       (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')
  FROM pg_stat_user_tables WHERE relname = ANY(%s)
"""
MB = 2**20


@dataclass
class Sample:
    """One look; None where it could not be taken."""

    at: float
    processes: dict[tuple[str, int], tuple[float, int]] = field(default_factory=dict)
    redis_keys: int | None = None
    redis_mb: float | None = None
    redis_clients: int | None = None
    sessions: int | None = None
    dead_rows: int | None = None
    index_mb: float | None = None
    bytes_a_record: float | None = None
    claims_ms: list[float] = field(default_factory=list)
    claim_blocks: float | None = None


class Gauges:
    """Looks every few seconds."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.samples: list[Sample] = []
        self._next_at = 0.0

    def turn(self) -> None:
        """A sample, when it is time."""
        if time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + SAMPLE_SECONDS
        sample = Sample(time.monotonic())
        sample.processes = dict(self._processes())
        with suppress(RedisError, OSError):
            self._look_at_redis(sample)
        try:
            self._look_at_database(sample)
        except (DatabaseError, InterfaceError):
            connections.close_all()
        self.samples.append(sample)

    def _processes(self) -> list[tuple[tuple[str, int], tuple[float, int]]]:
        found = []
        for post in self.scene.crew.posts:
            with suppress(*GONE):
                pid = post.process.pid
                descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
                found.append(((post.name, pid), (resident_mb(pid), descriptors)))
        return found

    def _look_at_redis(self, sample: Sample) -> None:
        memory: Any = self.scene.ask_redis("INFO", "memory")
        sample.redis_keys = int(self.scene.ask_redis("DBSIZE"))
        sample.redis_mb = int(memory["used_memory"]) / MB
        sample.redis_clients = int(self.scene.ask_redis("INFO", "clients")["connected_clients"])

    def _look_at_database(self, sample: Sample) -> None:
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(SIZES, [list(HOT)])
                found = [int(number or 0) for number in cursor.fetchone()]
            dead, indexes, tables, records, sessions = found
            sample.dead_rows, sample.index_mb, sample.sessions = dead, indexes / MB, sessions
            sample.bytes_a_record = (indexes + tables) / records if records else None
            sample.claim_blocks = blocks_of_claim("fast")
        sample.claims_ms = [probe_claim("fast") for _ in range(PROBES)]


def resident_mb(pid: int) -> float:
    """What the process holds in memory now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / MB


def probe_claim(slug: str) -> float:
    """Milliseconds of a claim that is rolled back: the cost of finding what waits."""
    processor = Processor.objects.get(slug=slug)
    source = open_source(processor.pk, processor.source)
    begun = time.perf_counter()
    with transaction.atomic():
        source.claim(Pick(0, processor.batch_size, database_now()))
        transaction.set_rollback(True)
    return (time.perf_counter() - begun) * 1000


def blocks_of_claim(slug: str) -> float | None:
    """Blocks that a claim reads for each record it takes; None where few wait. Postgres.

    Milliseconds tell of the machine's other business as well; these tell of tables and indexes.
    """
    processor = Processor.objects.get(slug=slug)
    source = open_source(processor.pk, processor.source)
    with transaction.atomic():
        with CaptureQueriesContext(connection) as captured:
            source.claim(Pick(0, processor.batch_size, database_now()))
        transaction.set_rollback(True)
    picks = [each["sql"] for each in captured if "SKIP LOCKED" in each["sql"]]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {picks[0]}")
        plan = cursor.fetchone()[0][0]["Plan"]
        transaction.set_rollback(True)
    blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return blocks / plan["Actual Rows"] if plan["Actual Rows"] >= ENOUGH else None


@dataclass(frozen=True)
class Growth:
    """Of the process that lived longest at a post."""

    post: str
    minutes: float
    mb_an_hour: float
    descriptors_an_hour: float


def growths(samples: Sequence[Sample]) -> list[Growth]:
    """A line for each post with a life that was long enough."""
    lives: dict[tuple[str, int], list[tuple[float, float, int]]] = defaultdict(list)
    for sample in samples:
        for process, (mb, descriptors) in sample.processes.items():
            lives[process].append((sample.at / 3600, mb, descriptors))
    longest: dict[str, list[tuple[float, float, int]]] = {}
    for (post, _), life in lives.items():
        # Caches fill at first; what grows afterwards grows for ever.
        settled = life[len(life) // 4 :]
        if len(settled) >= max(LEAST_SAMPLES, len(longest.get(post, ())) + 1):
            longest[post] = settled
    return [grown(post, life) for post, life in sorted(longest.items())]


def grown(post: str, life: Sequence[tuple[float, float, int]]) -> Growth:
    """By a straight line through hours, MB and descriptors."""
    hours = [look[0] for look in life]
    mb, descriptors = (linear_regression(hours, [look[n] for look in life])[0] for n in (1, 2))
    return Growth(post, (hours[-1] - hours[0]) * 60, mb, descriptors)


def first_and_last(samples: Sequence[Sample]) -> tuple[Sequence[Sample], Sequence[Sample]]:
    """The first and the last third."""
    third = max(len(samples) // 3, 1)
    return samples[:third], samples[-third:]


def p95(samples: Sequence[Sample]) -> float | None:
    """Of all probes of claims."""
    claims = [ms for sample in samples for ms in sample.claims_ms]
    return quantiles(claims, n=20)[-1] if len(claims) > 1 else None


def peak(samples: Sequence[Sample], name: str) -> float | None:
    """The highest value of a gauge."""
    return max(values(samples, name), default=None)


def least(samples: Sequence[Sample], name: str) -> float | None:
    """The lowest value of a gauge."""
    return min(values(samples, name), default=None)


def values(samples: Sequence[Sample], name: str) -> list[float]:
    """Of a gauge, where it could be read."""
    return [value for sample in samples if (value := getattr(sample, name)) is not None]
