"""How a process comes by each failpoint: the stage it needs and the deed it is caught at."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from processors import control, cycle, maintenance, queues
from processors.acts import Refused
from processors.clock import database_now
from processors.models import Processor, Run
from tests.faults.actors import Actor, let_leases_run_out, tick_and_reap
from tests.stories import act, define, fill_inbox, numbered
from tests.tables import Table
from tests.waiting import wait_until

RECORDS = 50
LIMITS: dict[str, Any] = {
    "batch_size": 10,
    "parallelism": 2,
    "backoff": {"base_seconds": 1, "cap_seconds": 1},
}

Deed = Callable[[], object]


@dataclass(frozen=True)
class Place:
    """A failpoint and what leads to it: `prepare` makes the stage and returns the deed."""

    failpoint: str
    prepare: Callable[[], Deed]
    nth: int = 1

    def __str__(self) -> str:
        return f"{self.failpoint}-{self.prepare.__name__}"


def inbox() -> Processor:
    """Fifty records that wait."""
    processor = define("effect", **LIMITS)
    fill_inbox(processor, numbered(RECORDS))
    return processor


def working() -> Deed:
    """A worker in mid-run."""
    run = control.run_once(inbox().pk, act())
    return lambda: cycle.work(run.pk)


def working_on_table() -> Deed:
    """A worker on somebody else's rows beside our tables."""
    return working_on(Table("default"), "effect")


def working_elsewhere() -> Deed:
    """A worker on a table in another database."""
    return working_on(Table("shop"), "outside")


def working_elsewhere_unmarked() -> Deed:
    """The same where the status column has no room for marks (mode C)."""
    return working_on(Table("shop", status_length=8), "outside")


def working_on(table: Table, handler: str) -> Deed:
    """The rows wait, the worker is about to begin."""
    table.fill(range(RECORDS))
    run = control.run_once(define(handler, table.source(), **LIMITS).pk, act())
    return lambda: cycle.work(run.pk)


def working_beside() -> Deed:
    """A worker with four records at once in its hands, acting outside."""
    processor = define("outside", options={"seconds": 0.01}, concurrency=4, **LIMITS)
    fill_inbox(processor, numbered(RECORDS))
    run = control.run_once(processor.pk, act())
    return lambda: cycle.work(run.pk)


def reaping() -> Deed:
    """Whoever takes back a batch whose worker was killed with a record in hand."""
    dying = Actor(working(), "handler.after_effect:kill9:15")
    dying.wait()
    let_leases_run_out()
    return lambda: wait_until(lambda: tick_and_reap().reaped, message="nothing was reaped")


def ticking() -> Deed:
    """A scheduler that finds a processor due."""
    processor = define("effect", trigger={"kind": "interval", "pause_seconds": 600}, **LIMITS)
    control.start(processor.pk, act())
    fill_inbox(processor, numbered(RECORDS))
    now = database_now()
    Processor.objects.update(next_due_at=now, next_slot_at=now)
    return maintenance.tick


def waking_again() -> Deed:
    """A scheduler that finds a run nobody works on, long since it was last woken."""
    run = control.run_once(inbox().pk, act())
    Run.objects.filter(pk=run.pk).update(woken_at=run.started_at.replace(year=2020))
    return maintenance.tick


def handing_over() -> Deed:
    """A worker that wakes its successor."""
    run = control.run_once(inbox().pk, act())
    return lambda: queues.wake(run.pk, run.config["queue"])


def starting() -> Deed:
    """An operator who presses Start."""
    processor = inbox()
    return lambda: control.start(processor.pk, act())


def stopping() -> Deed:
    """An operator who presses Stop while a batch is in hand of a worker that was killed."""
    processor = inbox()
    control.start(processor.pk, act())
    run = Run.objects.get()
    Actor(lambda: cycle.work(run.pk), "handler.after_effect:kill9:15").wait()
    return lambda: control.stop(processor.pk, act())


def pausing() -> Deed:
    """An operator who presses Pause before anything was claimed."""
    processor = inbox()
    control.start(processor.pk, act())
    return lambda: control.pause(processor.pk, act())


ACTS = (starting, stopping, pausing)
PLACES = (
    Place("claim.before_commit", working, nth=2),
    Place("claim.after_commit", working, nth=2),
    Place("begin.after", working, nth=3),
    Place("handler.before_effect", working, nth=15),
    Place("handler.after_effect", working, nth=15),
    Place("outcome.after_fence", working, nth=2),
    Place("outcome.after_commit", working),
    Place("close.before_commit", working, nth=2),
    Place("close.after_commit", working, nth=2),
    Place("reap.after_token", reaping),
    Place("reap.after_blame", reaping),
    Place("tick.after_insert_run", ticking),
    Place("tick.after_commit_before_enqueue", ticking),
    Place("enqueue.after_mark_before_push", waking_again),
    Place("enqueue.after_push", handing_over),
    Place("finish.before_commit", working),
    Place("finish.after_commit", working),
    *(Place(f"operator.{moment}_commit", deed) for deed in ACTS for moment in ("before", "after")),
    Place("claim.before_commit", working_on_table, nth=2),
    Place("outcome.after_fence", working_on_table, nth=2),
    Place("close.after_commit", working_on_table, nth=2),
    Place("handler.after_effect", working_beside, nth=15),
    Place("outcome.after_commit", working_beside),
    Place("foreign.after_claim", working_elsewhere, nth=2),
    Place("foreign.after_mark", working_elsewhere, nth=2),
    Place("foreign.after_done_before_synced", working_elsewhere, nth=2),
    Place("foreign.after_claim", working_elsewhere_unmarked, nth=2),
    Place("foreign.after_done_before_synced", working_elsewhere_unmarked, nth=2),
)


def press_start_again() -> None:
    """What a person does who is not sure whether the click went through."""
    processor = Processor.objects.get()
    with suppress(Refused):
        control.start(processor.pk, act())
