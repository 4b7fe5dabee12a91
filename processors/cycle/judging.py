"""The circuit breaker at work: a worker looks at its outcomes as they come, before their commit.

So a deploy that breaks everything costs a few records, although a fast handler's commit holds a
thousand.
"""

from functools import cached_property

from django.db import InterfaceError, OperationalError, connection, connections

from processors.breaker import TRIAL_FAILURES, Window
from processors.models import Processor, Run
from processors.protocol import faults
from processors.sources.base import Settlement


class Judge:
    """One worker's view of one run."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._settlement: Settlement | None = None
        self._seen_done = self._seen_others = 0
        self._trouble = ""
        self._has_told = self._has_passed = False

    @cached_property
    def _processor(self) -> Processor:
        """Read when the first outcome is there: its handler need not wait for that."""
        return Processor.objects.get(pk=self.run.processor_id)

    @cached_property
    def _window(self) -> Window | None:
        """What was before, and then ours; read before our first outcome is committed."""
        return faults.window_of(self._processor) if self._processor.breaker_on else None

    def watch(self, settlement: Settlement) -> None:
        """From now on outcomes are collected in this one."""
        self.look()
        self._settlement, self._seen_done, self._seen_others = settlement, 0, 0

    def look(self) -> None:
        """Take note of what was added since the last look. Cheap: asked between records."""
        settlement = self._settlement
        if settlement is None:
            return
        failed = settlement.others[self._seen_others :]
        done = len(settlement.done) - self._seen_done
        if not failed and not done:
            return
        try:
            window = self._window
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block:
                raise  # the transaction is gone: its owner begins it anew
            connections.close_all()
            return  # looked at again: before the commit, which waits for the database
        if window is None:
            return
        # Several may have ended since: in which order is not known, so they count as mixed evenly.
        for n, (claimed, outcome) in enumerate(failed):
            window.succeeded(done * (n + 1) // (len(failed) + 1) - done * n // (len(failed) + 1))
            if outcome.kind in ("done", "skipped"):
                window.succeeded()
            elif not outcome.is_free:
                window.failed(claimed.key)
        window.succeeded(done - done * len(failed) // (len(failed) + 1))
        self._seen_done += done
        self._seen_others += len(failed)
        self._trouble = self._trouble or window.trouble

    def refused(self, key: str) -> None:
        """What counted as a success could not be written."""
        if self._window is not None:
            self._window.failed(key)
            self._trouble = self._trouble or self._window.trouble

    @property
    def has_tripped(self) -> bool:
        """Whether to give back what was not begun."""
        self.look()
        return bool(self._trouble)

    def conclude(self) -> None:
        """After a commit: stop the processor, or end its trial. May be called again."""
        if self.has_tripped:
            if not self._has_told:
                faults.trip(self.run, self._trouble)
                self._has_told = True
        elif self._is_on_trial and (
            self._window is None or self._window.successes >= TRIAL_FAILURES
        ):
            faults.pass_trial(self.run.processor_id)
            self._has_passed = True

    @property
    def _is_on_trial(self) -> bool:
        return self._processor.on_trial and not self._has_passed
