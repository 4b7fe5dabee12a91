"""Several records at once: in threads, or as coroutines of one event loop.

`begin` starts a record, `collect` returns what has ended. The caller decides how many are
begun; both sides speak through one queue.
"""

import asyncio
import threading
from abc import ABC, abstractmethod
from datetime import UTC, datetime
from queue import Empty, SimpleQueue

from django.db import connections

from processors.cycle.treatment import Treatment
from processors.sources.base import Claimed, Settlement

Ended = tuple[Claimed, Settlement]


class Hands(ABC):
    """Where records are treated beside the coordinating thread."""

    def __init__(self, treatment: Treatment) -> None:
        self.treatment = treatment
        self.ended: SimpleQueue[Ended] = SimpleQueue()

    @abstractmethod
    def begin(self, claimed: Claimed) -> None:
        """Start treating a record."""

    @abstractmethod
    def close(self) -> None:
        """No further record will be begun; none is in flight."""

    def collect(self, timeout: float) -> list[Ended]:
        """What has ended, waiting up to `timeout` seconds for the first."""
        try:
            found = [self.ended.get(timeout=max(timeout, 0.0))]
        except Empty:
            return []
        while not self.ended.empty():
            found.append(self.ended.get_nowait())
        return found


class Threads(Hands):
    """A thread per record at once, each with database connections of its own."""

    def __init__(self, treatment: Treatment, count: int) -> None:
        super().__init__(treatment)
        self._todo: SimpleQueue[Claimed | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name=f"hand-{n}", daemon=True) for n in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def begin(self, claimed: Claimed) -> None:
        self._todo.put(claimed)

    def _run(self) -> None:
        try:
            while (claimed := self._todo.get()) is not None:
                part = Settlement(0, 0, "", datetime.now(UTC))
                self.treatment.treat(claimed, part)
                self.ended.put((claimed, part))
        finally:
            connections.close_all()

    def close(self) -> None:
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join()


class Coroutines(Hands):
    """One event loop in a thread of its own, so that the coordinator may use the database."""

    def __init__(self, treatment: Treatment) -> None:
        super().__init__(treatment)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="hands", daemon=True)
        self._thread.start()

    def begin(self, claimed: Claimed) -> None:
        asyncio.run_coroutine_threadsafe(self._treat(claimed), self._loop)

    async def _treat(self, claimed: Claimed) -> None:
        self.ended.put((claimed, await self.treatment.treat_async(claimed)))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
