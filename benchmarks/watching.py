"""Processor time and memory of processes and their children, from /proc (Linux)."""

import contextlib
import os
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

LOOK_SECONDS = 0.1
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
GONE = (FileNotFoundError, ProcessLookupError)


def family(pid: int) -> list[int]:
    """A process and its living descendants."""
    found = [pid]
    with contextlib.suppress(*GONE):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(*GONE):
                found += [
                    each for child in children.read_text().split() for each in family(int(child))
                ]
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time so far of whole families, with that of children that have ended."""
    return sum(own_cpu_seconds(each) for pid in pids for each in family(pid))


def own_cpu_seconds(pid: int) -> float:
    """User and system time of a process and of the children it waited for; 0 once it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except GONE:
        return 0.0
    return sum(map(int, fields[11:15])) / TICKS_A_SECOND


def peak_mb(pids: Iterable[int]) -> float:
    """The largest resident size that any living process of the families has ever had, in MB."""
    return max((own_peak_mb(each) for pid in pids for each in family(pid)), default=0.0)


def own_peak_mb(pid: int) -> float:
    """VmHWM of a process in MB; 0 once it is gone."""
    with contextlib.suppress(*GONE):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0


@dataclass
class Watch:
    """While it is entered: what workers and the database's server use."""

    workers: list[int]
    database: list[int]
    worker_seconds: float = 0.0
    database_seconds: float = 0.0
    peak_mb: float = 0.0
    _over: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Watch":
        self.worker_seconds = -cpu_seconds(self.workers)
        self.database_seconds = -cpu_seconds(self.database)
        self._thread = threading.Thread(target=self._keep_looking)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.worker_seconds += cpu_seconds(self.workers)
        self.database_seconds += cpu_seconds(self.database)
        self._over.set()
        self._thread.join()

    def _keep_looking(self) -> None:
        # Workers fork children that do not live long, so their peak cannot be read at the end.
        while True:
            self.peak_mb = max(self.peak_mb, peak_mb(self.workers))
            if self._over.wait(LOOK_SECONDS):
                return
