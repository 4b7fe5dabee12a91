"""Wait in a command until a run has ended, doing the scheduler's work meanwhile."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TextIO

from django.core.management.base import CommandError

from processors import maintenance, queues
from processors.models import Attempt, Batch, Processor, Record, Run
from processors.models.processor import TriggerKind
from processors.states import COUNTERS, RecordState

TICK_SECONDS = 1.0
LOOK_SECONDS = 0.1
LONELY_SECONDS = 15.0  # without a worker, before somebody is told
TIMED_OUT = 124  # as timeout(1) says it


@dataclass
class Patience:
    """How long to wait and whom to tell what: `deadline` on the monotonic clock, None for ever."""

    stderr: TextIO
    deadline: float | None = None
    lonely_since: float | None = None
    has_complained: bool = False
    ticked_at: float = field(default=float("-inf"))
    shown: str = ""

    @classmethod
    def of(cls, stderr: TextIO, timeout_seconds: float | None) -> "Patience":
        """From now on."""
        return cls(stderr, None if timeout_seconds is None else time.monotonic() + timeout_seconds)

    def wait(self, is_over: Callable[[], bool], processor: Processor | None) -> None:
        """Tick and look until `is_over`; None: for all. Raises CommandError (124) when too late."""
        while not is_over():
            now = time.monotonic()
            if self.deadline is not None and now >= self.deadline:
                self.clear()
                raise CommandError(
                    f"{processor.slug if processor else 'all'}: the time to wait is up; it goes on "
                    "without this command.",
                    returncode=TIMED_OUT,
                )
            if now - self.ticked_at >= TICK_SECONDS:
                self.ticked_at = now
                maintenance.tick()
                if processor is not None:
                    self.look_for_workers(processor, now)
                    self.show_progress(processor)
            time.sleep(LOOK_SECONDS)
        self.clear()

    def look_for_workers(self, processor: Processor, now: float) -> None:
        """Say once that a run waits although nobody would take it up."""
        run = Run.objects.active_of(processor.pk)
        if self.has_complained or run is None or Batch.objects.leased().filter(run=run).exists():
            self.lonely_since = None
            return
        queue = run.config.get("queue", processor.queue)
        [state] = queues.queue_states([queue])
        if state.workers:
            self.lonely_since = None
            return
        self.lonely_since = self.lonely_since or now
        if now - self.lonely_since >= LONELY_SECONDS:
            self.has_complained = True
            self.clear()
            self.stderr.write(loneliness(queue, is_known=state.workers is not None))

    def show_progress(self, processor: Processor) -> None:
        """The counters of the run on one line, where somebody looks at a terminal."""
        run = Run.objects.active_of(processor.pk)
        if run is None or not sys.stderr.isatty():
            return
        counters = Batch.objects.filter(run=run).counters()
        counts = ", ".join(f"{counters[n]} {n}" for n in COUNTERS if counters[n])
        self.clear()
        self.shown = f"Run {run.seq} {run.state}: {counts or 'nothing claimed yet'}"
        sys.stderr.write(self.shown)
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the progress away again."""
        if self.shown:
            sys.stderr.write("\r" + " " * len(self.shown) + "\r")
            self.shown = ""


def loneliness(queue: str, *, is_known: bool) -> str:
    """Why nothing happens."""
    if not is_known:
        return f"Redis does not answer, so no worker hears of queue '{queue}'. Still waiting.\n"
    return (
        f"No worker listens to queue '{queue}': start one with `manage.py rqworker {queue}`. "
        "Still waiting.\n"
    )


def has_ended(run_id: int) -> Callable[[], bool]:
    """The question whether a run is over."""
    return lambda: Run.objects.filter(pk=run_id, ended_at__isnull=False).exists()


def nothing_runs(processor: Processor) -> Callable[[], bool]:
    """The question whether a processor has no run that goes on."""
    return lambda: not Run.objects.active().filter(processor=processor).exists()


def has_cycled(processor: Processor, last_seq: int, asked_at: datetime) -> Callable[[], bool]:
    """The question whether a cycle after run `last_seq` is over, or none comes.

    None comes where the source was looked at since `asked_at` and had nothing, where cycles begin
    by hand only, and where somebody stopped it.
    """

    def is_over() -> bool:
        processor.refresh_from_db()
        if Run.objects.filter(processor=processor, seq__gt=last_seq).exists():
            return nothing_runs(processor)()
        looked_at = processor.last_looked_at
        has_looked = looked_at is not None and looked_at >= asked_at
        by_hand = processor.trigger_kind == TriggerKind.MANUAL
        return has_looked or by_hand or not processor.is_started

    return is_over


def failures(run: Run) -> str:
    """What of an ended run failed, as a sentence; empty where all is well.

    A record that waits for another try failed as well: the run did not get it done.
    """
    tried = Attempt.objects.filter(run=run, outcome__in=["retry", "crashed"]).values("record")
    waiting = Record.objects.filter(
        pk__in=tried, state__in=[RecordState.READY, RecordState.CLAIMED]
    ).count()
    counts = {"dead": run.dead, "parked": run.parked, "to be tried again": waiting}
    said = [f"{number} {what}" for what, number in counts.items() if number]
    found = f"Records failed in run {run.seq}: {', '.join(said)}." if said else ""
    return (
        f"The machine stopped {run.processor}: {run.fault_reason} {found}".strip()
        if (run.fault_reason)
        else found
    )
