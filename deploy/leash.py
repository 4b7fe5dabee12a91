"""Child processes that do not outlive their parent, even when it is killed with -9.

Linux only; elsewhere a killed parent leaves its children, as usual there.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

PR_SET_PDEATHSIG = 1
# Loaded before any fork: between fork and exec nothing may be imported or allocated much.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(parent_pid: int, signal_number: int = signal.SIGKILL) -> None:
    """Ask the kernel to send `signal_number` to this process when its parent ends."""
    if _libc is None:
        return
    _libc.prctl(PR_SET_PDEATHSIG, int(signal_number))
    if os.getppid() != parent_pid:
        # The parent ended before the kernel knew our wish.
        os.kill(os.getpid(), signal_number)


def leash() -> Callable[[], None]:
    """The `preexec_fn` for Popen. Call it in the parent, whose calling thread must stay alive:
    the kernel takes the end of that thread for the end of the parent.
    """
    parent_pid = os.getpid()
    return lambda: die_with_parent(parent_pid)


def kill_session(leader: int) -> None:
    """Kill what is left of the session that process `leader` opened; nothing left is fine."""
    for pid in _session_members(leader):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _session_members(leader: int) -> list[int]:
    if sys.platform != "linux":
        return []
    members = []
    for directory in Path("/proc").glob("[0-9]*"):
        pid = int(directory.name)
        try:
            if os.getsid(pid) == leader:
                members.append(pid)
        except (ProcessLookupError, PermissionError):
            continue
    return members
