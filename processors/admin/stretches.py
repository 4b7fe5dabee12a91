"""A run as stretches of time: queued, running, paused, running again, ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils.translation import gettext as _

from processors.admin.columns import cut
from processors.models import Event, Run
from processors.states import RunState

LOOKS = {
    RunState.RUNNING: "run",
    RunState.PAUSING: "warn",
    RunState.PAUSED: "warn",
    RunState.STOPPING: "idle",
}
SHORTEST = timedelta(milliseconds=100)


@dataclass(frozen=True)
class Stretch:
    """Between two moves; `end` is None for the one that goes on."""

    look: str
    word: str
    start: datetime
    end: datetime | None
    note: str = ""

    @property
    def seconds(self) -> float:
        """How long it was."""
        return (self.end - self.start).total_seconds() if self.end else 0.0


def stretches_of(
    run: Run, events: Sequence[Event], opened_at: datetime | None, now: datetime
) -> list[Stretch]:
    """In order; the wait for the first worker is the first of them."""
    moves = [event for event in events if event.to_state and event.at >= run.started_at]
    ends = [event.at for event in moves[1:]] + [run.ended_at]
    found = []
    for event, end in zip(moves, ends, strict=False):
        if event.to_state in LOOKS:
            note = f"{event.actor}: {cut(event.reason, 80)}" if event.reason else ""
            word = str(RunState(event.to_state).label)
            found.append(Stretch(LOOKS[RunState(event.to_state)], word, event.at, end, note))
    return with_wait(found, opened_at or run.ended_at or now)


def with_wait(found: list[Stretch], opened_at: datetime) -> list[Stretch]:
    """The first stretch of running begins when a worker takes records."""
    if not found or opened_at - found[0].start < SHORTEST:
        return found
    first = found[0]
    waited = Stretch("idle", _("Queued"), first.start, min(opened_at, first.end or opened_at))
    if first.end is not None and first.end <= opened_at:
        return [waited, *found[1:]]
    return [waited, Stretch(first.look, first.word, opened_at, first.end, first.note), *found[1:]]
