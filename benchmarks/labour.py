"""What is done with one record: the same for the product, the bare loop and every rival.

Knows neither Django nor a queue.
"""

import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

BODY_BYTES = 300
WAIT_SECONDS = 0.005
COMPUTE_SECONDS = 0.001


def body(number: int) -> str:
    """The payload of record `number`: 300 characters that differ from all others'."""
    text = hashlib.md5(str(number).encode()).hexdigest()
    return (text * 10)[:BODY_BYTES]


def digest(text: str) -> str:
    """The right result of a record."""
    return hashlib.sha256(text.encode()).hexdigest()


def wait(text: str) -> str:
    """5 ms of waiting, as for a web service."""
    time.sleep(WAIT_SECONDS)
    return digest(text)


def compute(text: str) -> str:
    """1 ms of this thread's processor time, however busy the machine is."""
    until = time.thread_time() + COMPUTE_SECONDS
    while time.thread_time() < until:
        digest(text)
    return digest(text)


LABOURS: dict[str, Callable[[str], str]] = {
    "noop": digest,
    "io5": wait,
    "aio5": wait,  # the product's handler of this name is a coroutine
    "cpu1": compute,
}


@dataclass(frozen=True)
class Labour:
    """One of LABOURS; with `trace`, a directory that is told of every record handled."""

    name: str
    trace: str = ""

    def do(self, key: object, text: str) -> str:
        """The record's result."""
        result = LABOURS[self.name](text)
        if self.trace:
            leave_trace(self.trace, f"{key} {result}")
        return result


def leave_trace(directory: str, line: str) -> None:
    """Append a line to this process's file: whole, at once, and never taken back by a rollback."""
    os.write(_trace_file(directory, os.getpid()), f"{line}\n".encode())


@cache
def _trace_file(directory: str, pid: int) -> int:
    path = Path(directory, f"{pid}.trace")
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)


def read_trace(directory: Path) -> list[str]:
    """Every line of every process."""
    return [line for path in directory.glob("*.trace") for line in path.read_text().splitlines()]


def leave_moment(directory: str, key: str) -> None:
    """Note that the handling of `key` began now."""
    began = time.time()
    unfinished = Path(directory, f"{key}.part")
    unfinished.write_text(str(began))
    unfinished.rename(moment_file(directory, key))


def moment_file(directory: str, key: str) -> Path:
    """Holds the seconds since the epoch as soon as it exists."""
    return Path(directory, f"{key}.moment")
