"""The child of a worker's next job, forked beforehand: connected, rehearsed, and waiting.

It performs one job, as any other child does, and ends; until then it is woken by nothing but its
errand, the end of its parent, or SIGTERM. All that passes between the two is one message, from
parent to child; and the parent closing its end of the door, which it does by dying as well.
"""

import contextlib
import ctypes
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable

logger = logging.getLogger(__name__)

ASKING_TO_LEAVE = frozenset({signal.SIGTERM, signal.SIGINT})
PR_SET_PDEATHSIG = 1
LENGTH_BYTES = 4


class Spare:
    """A waiting child, as its parent sees it."""

    def __init__(self, pid: int, door: socket.socket) -> None:
        self.pid = pid
        self._door = door

    @classmethod
    def fork(cls, live: Callable[[socket.socket], None]) -> "Spare":
        """Fork; the child does `live` with its end of the door and must not come back.

        The child begins with SIGTERM and SIGINT held back: it lets them in when it knows what to
        do about them. Until then it would answer as its parent does. Raises OSError.
        """
        ours, its = socket.socketpair()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, ASKING_TO_LEAVE)
        try:
            pid = os.fork()
            if pid == 0:
                live_and_end(live, ours, its)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            its.close()
        return cls(pid, ours)

    def has_ended(self) -> bool:
        """Whether it is gone; then nothing is left of it."""
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(self.pid, os.WNOHANG) == (0, 0):
                return False
        self._door.close()
        return True

    def hand_over(self, errand: bytes) -> bool:
        """Send it to work; False where it had ended: then the errand is still to be done."""
        try:
            self._door.sendall(len(errand).to_bytes(LENGTH_BYTES) + errand)
        except OSError:
            self.end()
            return False
        return True

    def close(self) -> None:
        """Tell the child at work that nothing more will be said."""
        self._door.close()

    def end(self) -> None:
        """Make sure that it is gone. It holds nothing, so it need not be asked."""
        self._door.close()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def live_and_end(
    live: Callable[[socket.socket], None], theirs: socket.socket, own: socket.socket
) -> None:
    """In the child: whatever happens, never return into the parent's code."""
    try:
        theirs.close()
        live(own)
    except BaseException:
        logger.exception("a spare child failed")
    finally:
        os._exit(1)


def wait_for_errand(door: socket.socket) -> bytes:
    """What the parent wants done; empty when it is gone, or wants nothing any more."""
    return read(door, int.from_bytes(read(door, LENGTH_BYTES)))


def read(door: socket.socket, size: int) -> bytes:
    """So many bytes; none where they will not come."""
    parts = b""
    while len(parts) < size:
        part = door.recv(size - len(parts))
        if not part:
            return b""
        parts += part
    return parts


def wait_for_close(door: socket.socket) -> None:
    """Return when the parent has said all, or is gone."""
    while door.recv(1):
        continue
    door.close()


def stop_waiting(door: socket.socket) -> None:
    """From a signal handler: an errand that has come is still read, no other will be."""
    with contextlib.suppress(OSError):
        door.shutdown(socket.SHUT_RD)


def follow_parent(parent: int) -> None:
    """Linux: SIGTERM to this process when its parent dies, however it dies.

    Ends the process where the parent died between the fork and this request.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(1)
