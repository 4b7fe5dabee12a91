"""The states of processors, runs, batches and records, and the moves between them, as data.

`docs/states.md` draws these tables; a test compares the drawing with them.
"""

from collections.abc import Mapping

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _


class ProcessorState(TextChoices):
    """What the operator wants."""

    STOPPED = "stopped", _("Stopped")  # no cycle begins
    STARTED = "started", _("Started")  # cycles follow each other as the trigger says
    PAUSED = "paused", _("Paused")  # the run in hand waits, no cycle begins


class RunState(TextChoices):
    """Where one cycle is."""

    RUNNING = "running", _("Running")  # workers may claim
    PAUSING = "pausing", _("Pausing")  # no claims; batches in hand are coming back
    PAUSED = "paused", _("Paused")  # nothing in hand; resumes as the same run
    STOPPING = "stopping", _("Stopping")  # no claims; ends, or fails, when nothing is in hand
    FINISHED = "finished", _("Finished")  # nothing was left to claim
    STOPPED = "stopped", _("Stopped")  # an operator ended it
    FAILED = "failed", _("Failed")  # the machine ended it: see its reason


class BatchState(TextChoices):
    """Whether a worker holds records."""

    LEASED = "leased", _("In hand")
    CLOSED = "closed", _("Closed")


class CloseReason(TextChoices):
    """Why a batch ended."""

    COMPLETED = "completed", _("Completed")  # every record has an outcome
    RELEASED = "released", _("Released")  # the rest went back: stop, pause, deploy
    REAPED = "reaped", _("Worker lost")  # its worker was given up for dead
    FORCED = "forced", _("Forced")  # an operator did not wait


class RecordState(TextChoices):
    """Where one record is."""

    READY = "ready", _("Ready")  # may be claimed once its time has come
    CLAIMED = "claimed", _("In hand")  # belongs to an open batch
    DONE = "done", _("Done")
    SKIPPED = "skipped", _("Skipped")  # needed no handling, or an operator discarded it
    DEAD = "dead", _("Dead")  # failed for good; waits for a person
    PARKED = "parked", _("Parked")  # nobody can know whether it happened; waits for a person


Moves = Mapping[str, frozenset[str]]

PROCESSOR_MOVES: Moves = {
    ProcessorState.STOPPED: frozenset({ProcessorState.STARTED}),
    ProcessorState.STARTED: frozenset({ProcessorState.STOPPED, ProcessorState.PAUSED}),
    ProcessorState.PAUSED: frozenset({ProcessorState.STARTED, ProcessorState.STOPPED}),
}

RUN_MOVES: Moves = {
    RunState.RUNNING: frozenset({RunState.PAUSING, RunState.STOPPING, RunState.FINISHED}),
    RunState.PAUSING: frozenset({RunState.PAUSED, RunState.RUNNING, RunState.STOPPING}),
    RunState.PAUSED: frozenset({RunState.RUNNING, RunState.STOPPING}),
    RunState.STOPPING: frozenset({RunState.STOPPED, RunState.FAILED}),
    RunState.FINISHED: frozenset(),
    RunState.STOPPED: frozenset(),
    RunState.FAILED: frozenset(),
}

BATCH_MOVES: Moves = {
    BatchState.LEASED: frozenset({BatchState.CLOSED}),
    BatchState.CLOSED: frozenset(),
}

RECORD_MOVES: Moves = {
    RecordState.READY: frozenset({RecordState.CLAIMED, RecordState.SKIPPED}),
    RecordState.CLAIMED: frozenset(
        {
            RecordState.READY,
            RecordState.DONE,
            RecordState.SKIPPED,
            RecordState.DEAD,
            RecordState.PARKED,
        }
    ),
    # A finished key that its owner sets to new again is a new request for the same key; a person
    # may ask for one as well.
    RecordState.DONE: frozenset({RecordState.CLAIMED, RecordState.READY}),
    RecordState.SKIPPED: frozenset({RecordState.CLAIMED, RecordState.READY}),
    RecordState.DEAD: frozenset({RecordState.READY, RecordState.SKIPPED, RecordState.CLAIMED}),
    RecordState.PARKED: frozenset(
        {RecordState.READY, RecordState.SKIPPED, RecordState.DONE, RecordState.CLAIMED}
    ),
}

RUN_ENDED = frozenset({RunState.FINISHED, RunState.STOPPED, RunState.FAILED})
RECORD_FINAL = frozenset({RecordState.DONE, RecordState.SKIPPED, RecordState.DEAD})
RECORD_SETTLED = RECORD_FINAL | {RecordState.PARKED}
NEEDS_ATTENTION = frozenset({RecordState.DEAD, RecordState.PARKED})

COUNTERS = ("claimed", "done", "skipped", "retried", "dead", "parked", "crashed", "released")
"""Counters of a batch and of a run; in an ended one the first is the sum of the others."""
SETTLING_COUNTERS = ("done", "skipped", "dead", "parked")
"""Those of them that stand for a record's end: one that is to be tried again has none yet."""
