"""How many records go into one commit: as many as take about a quarter of a second.

A commit costs the same for one record and for a thousand, so fast handlers commit many at once;
slow ones each record. At most that much work is repeated after a crash.
"""

import time

COMMIT_SECONDS = 0.25
AHEAD_SECONDS = 0.05  # of work that waits beside a commit, so that hands need not
WEIGHT = 0.5  # of the newest measurement against those before it


class Pace:
    """Learns how fast a handler is, across the batches of one worker's job."""

    def __init__(self, *, one_by_one: bool = False, whole: bool = False) -> None:
        self.interval = 0.0 if one_by_one else COMMIT_SECONDS
        self.one_by_one = one_by_one
        self._whole = whole
        self._seconds_per_record: float | None = None
        self._begun = time.monotonic()

    def hand(self, concurrency: int, left: int) -> int:
        """How many of `left` records the next commit will probably hold, at least one each.

        All of them where the handler is one that answers for a whole batch.
        """
        if self._whole:
            return left
        if self.one_by_one or self._seconds_per_record is None:
            return min(concurrency, left)
        wanted = int(self.interval / max(self._seconds_per_record, 1e-7))
        return min(max(wanted, concurrency), left)

    def ahead(self) -> int:
        """How many records are begun while a commit takes place."""
        if self.one_by_one or self._seconds_per_record is None:
            return 0
        return int(AHEAD_SECONDS / max(self._seconds_per_record, 1e-7))

    def begin(self) -> float:
        """The next stretch begins now; returns when it should be committed (monotonic)."""
        self._begun = time.monotonic()
        return self._begun + self.interval

    def learn_slow(self) -> None:
        """Something in the next stretches needs to be found: go one by one for a while."""
        self._seconds_per_record = self.interval or COMMIT_SECONDS

    def learn(self, records: int) -> None:
        """A stretch ended after this many records."""
        if not records:
            return
        newest = (time.monotonic() - self._begun) / records
        known = self._seconds_per_record
        self._seconds_per_record = (
            newest if known is None else known * (1 - WEIGHT) + newest * WEIGHT
        )
