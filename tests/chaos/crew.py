"""Workers and schedulers, started again when they end, as a supervisor does."""

import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from tests.chaos.site import Site
from tests.servers import DjangoProcess, Scheduler, Worker

RESTART_SECONDS = 1.0


class Post:
    """A place that is always filled by one process, the next a second after the last."""

    def __init__(self, name: str, fill: Callable[[], DjangoProcess]) -> None:
        self.name = name
        self.fill = fill
        self.process = fill()
        self.deaths = 0
        self._refill_at: float | None = None

    def look_after(self) -> None:
        """Start a successor when it is time."""
        if self.process.is_running():
            return
        now = time.monotonic()
        if self._refill_at is None:
            self.deaths += 1
            self._refill_at = now + RESTART_SECONDS
        elif now >= self._refill_at:
            self._refill_at = None
            self.process = self.fill()


class Crew:
    """Every process of the product. To be used from one thread that lives as long as they do.

    The first `spared` workers, and as many schedulers, are struck by no fault of a process: so
    that some live long enough to show what grows.
    """

    def __init__(
        self, site: Site, *, workers: int = 3, schedulers: int = 2, spared: int = 0
    ) -> None:
        self.spared = spared
        env, logs = site.environment(), site.directory
        self.workers = [
            Post(f"worker-{n}", lambda n=n: Worker(env=env, log=logs / f"worker-{n}.log"))  # type: ignore[misc]
            for n in range(workers)
        ]
        self.schedulers = [
            Post(f"scheduler-{n}", lambda n=n: Scheduler(env=env, log=logs / f"scheduler-{n}.log"))  # type: ignore[misc]
            for n in range(schedulers)
        ]

    @property
    def posts(self) -> list[Post]:
        return self.workers + self.schedulers

    @property
    def exposed(self) -> list[Post]:
        """Workers that may be struck."""
        return self.workers[self.spared :]

    def look_after(self) -> None:
        """Fill what is empty."""
        for post in self.posts:
            post.look_after()

    def any_worker(self, rng: random.Random) -> Worker | None:
        """One that runs now."""
        return self._any(self.exposed, rng)  # type: ignore[return-value]

    def any_scheduler(self, rng: random.Random) -> DjangoProcess | None:
        """One that runs now."""
        return self._any(self.schedulers[self.spared :], rng)

    @staticmethod
    def _any(posts: list[Post], rng: random.Random) -> DjangoProcess | None:
        running = [post.process for post in posts if post.process.is_running()]
        return rng.choice(running) if running else None

    def stop(self) -> None:
        """End them all, and what they left."""
        for post in self.posts:
            if post.process.is_running():
                post.process.send(signal.SIGTERM)
        for post in self.posts:
            post.process.stop(10)

    def logs(self) -> dict[str, str]:
        """What each post's processes said, one after the other."""
        return {post.name: post.process.log() for post in self.posts}


def send(pid: int, number: int) -> None:
    """A signal to a process that may have ended meanwhile."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
