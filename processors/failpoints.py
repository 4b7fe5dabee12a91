"""Places where a test may have this process die, fail or stop; elsewhere they do nothing.

`RECORDMILL_FAILPOINT=NAME:ACTION[:NTH]` arms one of them when Django starts, in test runs only
(`RECORDMILL_TESTING=1`). ACTION is `kill9`, `exit`, `raise`, or `stop=SECONDS`: every thread
stands still and goes on afterwards. It happens once, at the NTH time that the process or a child
of its comes by, 1 by default.
"""

import mmap
import os
import signal
import struct
import subprocess
from dataclasses import dataclass

NAMES = (
    "claim.before_commit",
    "claim.after_commit",
    "begin.after",
    "handler.before_effect",  # these two are reached by the tests' handlers
    "handler.after_effect",
    "outcome.after_fence",
    "outcome.after_commit",
    "close.before_commit",
    "close.after_commit",
    "reap.after_token",
    "reap.after_blame",
    "tick.after_insert_run",
    "tick.after_commit_before_enqueue",
    "enqueue.after_mark_before_push",
    "enqueue.after_push",
    "finish.before_commit",
    "finish.after_commit",
    "operator.before_commit",
    "operator.after_commit",
    "foreign.after_claim",
    "foreign.after_mark",
    "foreign.after_done_before_synced",
)
ACTIONS = ("kill9", "exit", "raise", "stop")
EXIT_CODE = 75


class FailpointReached(Exception):
    """What `raise` raises: no code of ours expects it."""


@dataclass(frozen=True)
class Failpoint:
    """One that is armed; the count is shared with children that are forked later."""

    name: str
    action: str
    nth: int
    seconds: float
    count: mmap.mmap

    def come_by(self) -> None:
        """Count, and act when it is time."""
        (seen,) = struct.unpack("q", self.count[:8])
        self.count[:8] = struct.pack("q", seen + 1)
        if seen + 1 == self.nth:
            self.act()

    def act(self) -> None:
        """Die, fail or stop."""
        if self.action == "kill9":
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.action == "exit":
            os._exit(EXIT_CODE)
        elif self.action == "raise":
            raise FailpointReached(self.name)
        stand_still(self.seconds)


class Armed:
    """The one that is armed in this process, None outside of tests."""

    failpoint: Failpoint | None = None


def reach(name: str) -> None:
    """Come by a place; costs one comparison where nothing is armed."""
    if Armed.failpoint is not None and Armed.failpoint.name == name:
        Armed.failpoint.come_by()


def arm(text: str) -> None:
    """Arm the failpoint of a text as above; empty disarms. Raises ValueError for any other."""
    Armed.failpoint = parse(text) if text else None


def parse(text: str) -> Failpoint:
    """`NAME:ACTION[:NTH]`, `stop` with `=SECONDS`."""
    name, _, rest = text.partition(":")
    word, _, nth = rest.partition(":")
    action, _, seconds = word.partition("=")
    if name not in NAMES or action not in ACTIONS:
        raise ValueError(
            f"RECORDMILL_FAILPOINT is '{text}': write NAME:ACTION[:NTH], with a name of "
            f"{', '.join(NAMES)} and an action of {', '.join(ACTIONS)}."
        )
    return Failpoint(name, action, int(nth or 1), float(seconds or 0), mmap.mmap(-1, 8))


def stand_still(seconds: float) -> None:
    """All threads of this process, as in a frozen machine; somebody else must wake it."""
    waker = ["sh", "-c", 'sleep "$0"; kill -CONT "$1"', str(seconds), str(os.getpid())]
    with subprocess.Popen(waker):
        os.kill(os.getpid(), signal.SIGSTOP)
