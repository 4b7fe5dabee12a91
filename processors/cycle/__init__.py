"""One worker's part of a cycle: claim, treat, commit, until there is nothing left.

`work` is what a wake-up calls; `leave` is what SIGTERM calls; `rehearse` is for a process that will
work later.
"""

from processors.cycle.rehearsal import rehearse
from processors.cycle.shift import leave, work

__all__ = ["leave", "rehearse", "work"]
