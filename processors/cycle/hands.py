"""Several records at once: in threads, or as coroutines of one event loop.

`begin` hands records over, `collect` returns what has ended. The hands take one after the other
by themselves, so that none waits while their coordinator writes to the database; what they have
not taken yet can be withdrawn.
"""

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from queue import Empty, SimpleQueue

from django.db import connections

from processors.cycle.treatment import Treatment
from processors.cycle.watch import Desk
from processors.sources.base import Claimed, Settlement

Ended = tuple[Claimed, Settlement]


class Hands(ABC):
    """Where records are treated beside the coordinating thread, `count` of them at once."""

    def __init__(self, treatment: Treatment, desk: Desk) -> None:
        self.treatment = treatment
        self.desk = desk
        self.count = 0
        self.ended: SimpleQueue[Ended | BaseException] = SimpleQueue()

    @abstractmethod
    def resize(self, count: int) -> None:
        """Treat so many at once from now on."""

    @abstractmethod
    def begin(self, claimed: Sequence[Claimed]) -> None:
        """Hand over records to be treated in this order."""

    @abstractmethod
    def withdraw(self) -> list[Claimed]:
        """Take back what was not begun, in its order."""

    @abstractmethod
    def close(self) -> None:
        """Nothing is begun any more; what is in flight is waited for where that is possible."""

    def take_up(self, claimed: Claimed) -> bool:
        """Note that a record is begun; False where this process is about to end.

        In this order: whoever ends the process says so first and then reads what is begun.
        """
        self.desk.begun[claimed.ref] = time.monotonic()
        return not self.desk.is_ending

    def collect(self, timeout: float) -> list[Ended]:
        """What has ended, waiting up to `timeout` seconds for the first.

        Raises what befell a hand beside its handler: the record in it will never end.
        """
        found = list[Ended]()
        with suppress(Empty):
            ended = self.ended.get(timeout=max(timeout, 0.0))
            while not isinstance(ended, BaseException):
                found.append(ended)
                ended = self.ended.get_nowait()
            raise ended
        return found


class Threads(Hands):
    """A thread per record at once, each with database connections of its own."""

    def __init__(self, treatment: Treatment, desk: Desk) -> None:
        super().__init__(treatment, desk)
        self._todo: SimpleQueue[Claimed | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def resize(self, count: int) -> None:
        for _ in range(count, self.count):
            self._todo.put(None)
        for _ in range(self.count, count):
            name = f"hand-{len(self._threads)}"
            self._threads.append(threading.Thread(target=self._run, name=name, daemon=True))
            self._threads[-1].start()
        self.count = count

    def begin(self, claimed: Sequence[Claimed]) -> None:
        for each in claimed:
            self._todo.put(each)

    def _run(self) -> None:
        try:
            while (claimed := self._todo.get()) is not None:
                if not self.take_up(claimed):
                    return
                part = Settlement(0, 0, "", datetime.now(UTC))
                self.treatment.treat(claimed, part)
                self.ended.put((claimed, part))
        except BaseException as error:  # noqa: BLE001 - told by whoever collects
            self.ended.put(error)
        finally:
            connections.close_all()

    def withdraw(self) -> list[Claimed]:
        found: list[Claimed | None] = []
        while True:
            try:
                found.append(self._todo.get_nowait())
            except Empty:
                break
        for _ in range(found.count(None)):  # threads that were told to end still shall
            self._todo.put(None)
        return [claimed for claimed in found if claimed is not None]

    def close(self) -> None:
        self.withdraw()
        self.resize(0)
        for thread in self._threads:
            thread.join()


class Coroutines(Hands):
    """One event loop in a thread of its own, so that the coordinator may use the database."""

    def __init__(self, treatment: Treatment, desk: Desk) -> None:
        super().__init__(treatment, desk)
        self._todo: deque[Claimed] = deque()
        self._working = 0
        self._tasks: set[asyncio.Task[None]] = set()  # the loop itself holds them weakly
        self._aside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="aside")
        self._loop = asyncio.new_event_loop()
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="hands", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        """Until it is closed: sys.exit() in a task that a handler began would end the loop."""
        while not self._is_closing:
            with suppress(SystemExit, KeyboardInterrupt):
                self._loop.run_forever()

    def resize(self, count: int) -> None:
        self.count = count

    def begin(self, claimed: Sequence[Claimed]) -> None:
        self._todo.extend(claimed)
        self._loop.call_soon_threadsafe(self._fill)

    def _fill(self) -> None:
        for _ in range(min(self.count - self._working, len(self._todo))):
            self._working += 1
            task = self._loop.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        try:
            while self._working <= self.count and (claimed := self._next()) is not None:
                if not self.take_up(claimed):
                    return
                part = await self.treatment.treat_async(claimed, self._aside)
                self.ended.put((claimed, part))
        except BaseException as error:  # noqa: BLE001 - told by whoever collects
            self.ended.put(error)
        finally:
            self._working -= 1

    def _next(self) -> Claimed | None:
        try:
            return self._todo.popleft()
        except IndexError:
            return None

    def withdraw(self) -> list[Claimed]:
        found = []
        while (claimed := self._next()) is not None:
            found.append(claimed)
        return found

    def close(self) -> None:
        self.withdraw()
        self._is_closing = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._aside.submit(connections.close_all)
        self._aside.shutdown()
