"""Healthy workers and an impatient clock: what brings everything through after a fault."""

from collections.abc import Callable
from contextlib import suppress

from django.db import connections

from processors import control, maintenance
from processors.acts import Refused
from processors.clock import database_now
from processors.models import Processor, Record, Run
from processors.sources.dialect import TROUBLE
from processors.states import RecordState
from tests import stakes
from tests.faults.actors import Actor, tick_and_reap, work_on_runs
from tests.stories import act
from tests.waiting import wait_until


class Crew:
    """Workers that are replaced when they end, as a supervisor does; gone with the block.

    `tick`: by default one that gives a silent worker no time between its strikes.
    """

    def __init__(self, size: int = 2, *, tick: Callable[[], object] = tick_and_reap) -> None:
        self.tick = tick
        self.workers = [Actor(work_on_runs) for _ in range(size)]

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            worker.kill()

    def bring_through(self, *, seconds: float = 120) -> None:
        """Until no record waits and no run is active."""
        wait_until(self._is_through, seconds=seconds, message=situation)

    def _is_through(self) -> bool:
        self.workers = [Actor(work_on_runs) if w.has_ended() else w for w in self.workers]
        make_due()
        self.tick()
        if Run.objects.active().exists():
            return False
        if not stakes.lost():
            return True
        with suppress(Refused):
            control.run_once(Processor.objects.get().pk, act())
        return False


def make_due() -> None:
    """What waits for another try need not wait for the clock."""
    Record.objects.filter(state=RecordState.READY).update(available_at=database_now())


def situation() -> str:
    """For a test that waits in vain."""
    states = list(Record.objects.values_list("key", "state"))
    return f"{list(Run.objects.values('state', 'claimed', 'done'))} {states}"


def finish(run: Run, *, seconds: float = 120) -> Run:
    """The run once real workers have ended it, through whatever trouble with the database."""

    def has_ended() -> bool:
        try:
            maintenance.tick()
            run.refresh_from_db()
        except TROUBLE:
            connections.close_all()
            return False
        return run.has_ended

    wait_until(has_ended, seconds=seconds, message=situation)
    return run
