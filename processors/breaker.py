"""The circuit breaker's arithmetic: when a processor's newest outcomes say that going on does harm.

Pure: outcomes in, an answer out. Who feeds it and what follows is in `cycle/judging.py` and
`protocol/faults.py`.
"""

from collections import deque
from dataclasses import dataclass

from django.utils.translation import gettext as _

TRIAL_RECORDS = 5  # in a batch that tries out whether a fault is mended
TRIAL_FAILURES = 3  # of them that say it is not
TRIAL_SHARE_PERCENT = 50


@dataclass(frozen=True)
class Rule:
    """When to trip.

    `failures` different records failed and they are at least `share_percent` of the newest
    `window` outcomes; or `crashes` different records ended their worker's process, without a
    success in between. A share of 0 lets the number alone decide.
    """

    failures: int = 10
    share_percent: int = 50
    window: int = 100
    crashes: int = 5

    def on_trial(self) -> "Rule":
        """The same after a fault was cleared: a few records decide."""
        return Rule(
            min(self.failures, TRIAL_FAILURES),
            max(self.share_percent, TRIAL_SHARE_PERCENT),
            self.window,
            min(self.crashes, TRIAL_FAILURES),
        )


class Window:
    """The newest outcomes of a processor.

    A record that fails again and again counts once: a poison record, or two, trip nothing.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self._outcomes: deque[str | None] = deque()  # the key of a failure, None for a success
        self._failed: set[str] = set()
        self._crashed: set[str] = set()  # since the last success

    def succeeded(self, count: int = 1) -> None:
        """This many records went well."""
        if count < 1:
            return
        self._crashed.clear()
        for _time in range(min(count, self.rule.window)):
            self._add(None)

    def failed(self, key: str) -> None:
        """This record did not."""
        if key not in self._failed:
            self._failed.add(key)
            self._add(key)

    def crashed(self, key: str) -> None:
        """A worker's process ended, probably by this record."""
        self._crashed.add(key)
        self.failed(key)

    def _add(self, outcome: str | None) -> None:
        if len(self._outcomes) == self.rule.window:
            oldest = self._outcomes.popleft()
            if oldest is not None:
                self._failed.discard(oldest)
        self._outcomes.append(outcome)

    @property
    def failures(self) -> int:
        """How many different records failed."""
        return len(self._failed)

    @property
    def crashes(self) -> int:
        """How many different records ended a process since the last success."""
        return len(self._crashed)

    @property
    def successes(self) -> int:
        """How many went well."""
        return len(self._outcomes) - len(self._failed)

    @property
    def trouble(self) -> str:
        """What trips the breaker, as the start of a sentence; empty while nothing does."""
        rule, total = self.rule, len(self._outcomes)
        if self.crashes >= rule.crashes:
            return _("%(crashes)s records in a row ended their worker's process") % {
                "crashes": self.crashes
            }
        share = 100 * self.failures >= rule.share_percent * total
        if self.failures >= rule.failures and share:
            return _("%(failures)s of the last %(total)s records failed") % {
                "failures": self.failures,
                "total": total,
            }
        return ""
