"""What the answer to "why is it not running?" depends on, read for a page full of processors.

Entry point: `read`. It never writes; Redis is asked only when a sentence asks for it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from processors.held_back import Hold, holding
from processors.in_hand import Hands, read_hands, silent_owners
from processors.models import Event, Processor, Run
from processors.protocol import all_paused, lanes, twins
from processors.protocol.all_paused import AllPaused
from processors.protocol.allowances import Held
from processors.queues import QueueState, queue_states
from processors.states import RunState

AskQueue = Callable[[str], QueueState]
AskPause = Callable[[], AllPaused | None]


def ask_redis(name: str) -> QueueState:
    """One queue, as Redis has it now."""
    return queue_states([name])[0]


@dataclass(frozen=True)
class Known:
    """What a page has asked for its own needs, so that it is not asked again.

    `active`: the active runs of the processors, with `hands`; None where they are to be looked up.
    `troubles`: why tables could not be read of late, by processor; empty where one could.
    `starts`: when the next cycle begins, by processor; only told of those on arrival.
    """

    pause: AskPause = all_paused.current
    active: list[Any] | None = None
    troubles: dict[int, str] = field(default_factory=dict)
    starts: dict[int, datetime | None] = field(default_factory=dict)


@dataclass
class Facts:
    """What the sentences are made from, read for all processors of a page at once."""

    now: datetime
    queue: AskQueue = ask_redis
    pause: AskPause = all_paused.current
    runs: dict[int, Run] = field(default_factory=dict)  # active ones by processor
    hands: dict[int, Hands] = field(default_factory=dict)  # by run
    acts: dict[int, Event] = field(default_factory=dict)  # an operator's last, by processor
    pauses: dict[int, Event] = field(default_factory=dict)  # who paused a run, by run
    held: dict[int, Held] = field(default_factory=dict)  # the rate limit a run waits for
    holds: dict[int, list[Hold]] = field(default_factory=dict)  # limits by a key, by run
    troubles: dict[int, str] = field(default_factory=dict)  # of sources, by processor
    starts: dict[int, datetime | None] = field(default_factory=dict)  # by processor

    @cached_property
    def all_paused(self) -> AllPaused | None:
        """The pause of everything; asked once for a page."""
        return self.pause()

    @cached_property
    def silent_owners(self) -> dict[int, list[str]]:
        """Who holds batches of a run and was not heard of; asked once for a page."""
        return silent_owners(self.runs.values(), self.now)

    @cached_property
    def is_copy(self) -> bool:
        """Whether nothing runs because the database was copied; asked once for a page."""
        return twins.is_barred()


def read(
    processors: Iterable[Processor],
    now: datetime,
    queue: AskQueue = ask_redis,
    known: Known | None = None,
) -> Facts:
    """Four queries for any number of them, two where `known`; those of limits come on top."""
    listed, known = list(processors), known or Known()
    facts = Facts(now, queue, known.pause, troubles=known.troubles, starts=known.starts)
    if known.active is None:
        rows = Run.objects.active().filter(processor__in=listed)
        facts.runs = {run.processor_id: run for run in rows}
        facts.hands = read_hands(facts.runs.values(), now)
    else:
        facts.runs = {run.processor_id: run for run in known.active}
        facts.hands = {run.pk: run.hands for run in known.active}
    read_pauses(facts)
    read_limits(listed, facts)
    facts.acts = last_acts(one for one in listed if one.pk not in facts.runs)
    return facts


def read_pauses(facts: Facts) -> None:
    """Who paused the runs that are."""
    paused = [run for run in facts.runs.values() if run.state == RunState.PAUSED]
    if paused:
        acts = Event.objects.filter(run__in=paused, to_state=RunState.PAUSING).order_by("id")
        facts.pauses = {event.run_id: event for event in acts if event.run_id}


def read_limits(processors: Iterable[Processor], facts: Facts) -> None:
    """Which active runs a rate limit holds back; a query for each processor that has limits."""
    for one in processors:
        run = facts.runs.get(one.pk)
        if run is None or (not one.rate_limits and not one.blackouts):
            continue
        facts.holds[run.pk] = holding(one, facts.now)
        if held := lanes.held(one, run, facts.now):
            facts.held[run.pk] = held


def last_acts(processors: Iterable[Processor]) -> dict[int, Event]:
    """What brought each of these processors into its state."""
    numbers = [one.pk for one in processors]
    if not numbers:
        return {}
    ids = Event.objects.standing(Processor.objects.filter(pk__in=numbers))
    return {event.processor_id: event for event in Event.objects.filter(pk__in=ids)}
