"""What the ways of treating a batch have in common."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from processors import failpoints
from processors.cycle.commits import Commits, Stretch
from processors.cycle.pace import Pace
from processors.cycle.treatment import Treatment
from processors.cycle.watch import Desk
from processors.protocol.leases import Lease
from processors.sources.base import Claimed, Settlement


@dataclass
class Tools:
    """What every way of treating needs.

    `must_leave` says whether to give back what was not begun; `wants_more` whether another
    batch would be welcome.
    """

    treatment: Treatment
    commits: Commits
    pace: Pace
    desk: Desk
    must_leave: Callable[[], bool]
    wants_more: Callable[[], bool]
    # What ended since the last commit, for the watch to save when a record hangs.
    ended: list[Settlement] = field(default_factory=list)


class Way(ABC):
    """How the records of a batch are treated."""

    def __init__(self, tools: Tools) -> None:
        self.tools = tools

    def batch(self, lease: Lease) -> Lease | None:
        """Treat a batch to its end; the next one where there is one."""
        todo = deque(lease.claimed)
        self.tools.desk.lease = lease
        if not todo:  # nothing of it was still waiting when looked at again
            return self.write(lease, Stretch(self.tools.commits.settlement(lease), todo))
        following = None
        while self.goes_on(todo):
            failpoints.reach("begin.after")
            following = self.stretch(lease, todo)
        if todo:
            settlement = self.tools.commits.settlement(lease)
            self.write(lease, Stretch(settlement, todo, leaving=True))
            return None
        return following

    def goes_on(self, todo: "deque[Claimed]") -> bool:
        """Whether there is another stretch."""
        return bool(todo) and not self.tools.must_leave()

    @abstractmethod
    def stretch(self, lease: Lease, todo: "deque[Claimed]") -> Lease | None:
        """Treat and commit some of `todo`, taking them out of it."""

    def write(self, lease: Lease, stretch: Stretch) -> Lease | None:
        """Commit; nothing of it is in the watch's care afterwards."""
        stretch.wants_more = self.tools.wants_more()
        closes = stretch.close is not None
        following = self.tools.commits.write(lease, stretch)
        self.tools.ended.clear()
        if closes:  # what it still held was given back
            stretch.todo.clear()
        return following

    def close(self) -> None:
        """The shift is over."""
