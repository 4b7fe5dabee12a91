"""Who the product is compared with: the bare loop, Celery, RQ."""

import subprocess
import sys
import time
from abc import abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from typing import ClassVar

import redis

from benchmarks.contenders import Bench, Contender
from deploy.leash import kill_session, leash
from tests.servers import ROOT

LOOK_SECONDS = 0.01
GIVE_UP_SECONDS = 3600


class NotDone(Exception):
    """A contender did not get its records done."""


class NotInstalled(Exception):
    """A rival's library is missing; the message says how to get it."""


class Bare(Contender):
    """The loop without a queue."""

    name = "bare"

    @contextmanager
    def idle_workers(self, count: int, trace: str) -> Iterator[list[int]]:
        with ExitStack() as stack:
            told = self.bench.assignment(trace).in_environment()
            self.crew = [self._start(told) for _ in range(self.bench.setup.workers)]
            for process in self.crew:
                stack.callback(kill_session, process.pid)
                stack.enter_context(process)
            for process in self.crew:
                self._hear(process)
            yield [process.pid for process in self.crew]

    def _start(self, told: dict[str, str]) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks.rivals.bare"],
            cwd=ROOT,
            env=self.bench.site.environment | told,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=leash(),  # noqa: PLW1509 - see deploy/leash.py
        )

    @staticmethod
    def _hear(process: "subprocess.Popen[str]") -> str:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        if not line:
            raise NotDone(f"The bare loop ended with {process.wait()} before its work was done.")
        return line

    def go(self, count: int) -> float:
        begun = time.monotonic()
        for process in self.crew:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        for process in self.crew:
            self._hear(process)
        return time.monotonic() - begun


class Queued(Contender):
    """A queue in Redis: its messages wait aside until they are let go all at once."""

    library: ClassVar[str]
    key: ClassVar[str] = "bench"
    sign: ClassVar[str]
    prefetch: ClassVar[int] = 4

    def __init__(self, bench: Bench) -> None:
        super().__init__(bench)
        if not bench.database.is_postgres:
            raise NotInstalled(f"{self.name} is measured on Postgres only: leave it out.")
        if find_spec(self.library) is None:
            raise NotInstalled(
                f"{self.library} is not installed: pip install -r benchmarks/requirements.txt"
            )
        self.redis = redis.Redis.from_url(bench.site.redis.url)

    @abstractmethod
    def command(self) -> list[str]:
        """One process; how many and with how many children: see `crew`."""

    @property
    def crew(self) -> int:
        """How many processes to start."""
        return self.bench.setup.workers

    @contextmanager
    def idle_workers(self, count: int, trace: str) -> Iterator[list[int]]:
        site = self.bench.site
        told = self.bench.assignment(trace, self.prefetch).in_environment()
        self.redis.flushall()
        subprocess.run(
            [sys.executable, "-m", "benchmarks.rivals.sending", self.name, str(count)],
            cwd=ROOT,
            env=site.environment | told,
            check=True,
        )
        self.redis.rename(self.key, "aside")
        with site.processes(self.command(), self.crew, self.sign, **told) as pids:
            yield pids
        self.redis.flushall()

    def go(self, count: int) -> float:
        begun = time.monotonic()
        self.redis.rename("aside", self.key)
        while not self.bench.goods.is_done():
            time.sleep(LOOK_SECONDS)
            if time.monotonic() - begun > GIVE_UP_SECONDS:
                raise NotDone(f"{self.name} did not do {count} records in {GIVE_UP_SECONDS} s.")
        return time.monotonic() - begun


class Celery(Queued):
    """A message for each record."""

    name = "celery"
    library = "celery"
    sign = "ready."

    def command(self) -> list[str]:
        setup = self.bench.setup
        pool = ["--pool", "prefork", "--concurrency", str(setup.workers)]
        if setup.concurrency > 1:
            pool = ["--pool", "threads", "--concurrency", str(setup.concurrency)]
        quiet = ["--without-gossip", "--without-mingle", "--loglevel", "INFO"]
        app = ["-A", "benchmarks.rivals.celery_app"]
        return [sys.executable, "-m", "celery", *app, "worker", *pool, *quiet, "-n", "bench%%i@%h"]

    @property
    def crew(self) -> int:
        """Threads: as many processes as the product has workers. Else one, which forks them."""
        return self.bench.setup.workers if self.bench.setup.concurrency > 1 else 1


class Celery500(Celery):
    """A message for each 500 records."""

    name = "celery500"
    prefetch = 1


class RqSimple(Queued):
    """A job for each record, worked on without a fork."""

    name = "rq"
    library = "rq"
    key = "rq:queue:bench"
    sign = "Listening on"

    def command(self) -> list[str]:
        where = ["--url", self.bench.site.redis.url, "--path", str(ROOT)]
        return [sys.executable, "-m", "rq.cli", "worker", "-w", "rq.SimpleWorker", *where, "bench"]


RIVALS: dict[str, type[Contender]] = {
    each.name: each for each in (Bare, Celery, Celery500, RqSimple)
}
