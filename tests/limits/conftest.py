"""Records of customers, and workers that take what a limit leaves them under a stopped clock."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import count as counting
from typing import Any

import pytest
from django.db import transaction
from hypothesis import strategies as st

from processors import control
from processors.handlers.outcomes import Outcome
from processors.models import Processor, Run
from processors.protocol import claiming, lanes, leases
from processors.protocol.gate import Ask
from processors.protocol.leases import Lease, Step
from processors.protocol.working import source_of
from processors.rates import Rate
from processors.sources.base import Settlement
from processors.states import CloseReason
from tests.model.clockwork import BEGINNING, Clockwork, stopped_clock
from tests.stories import act

Taken = list[tuple[datetime, Any]]

BY_CUSTOMER = "5/min by customer"

# Limits of all kinds, and how long somebody waits before he asks again, in seconds.
COUNTS, UNITS = st.integers(1, 2000), st.sampled_from(["s", "min", "h"])
PAUSES = st.lists(st.floats(0.001, 5), min_size=1, max_size=200)


@pytest.fixture
def clock() -> Iterator[Clockwork]:
    with stopped_clock() as clock:
        yield clock


def customers(**counts: int) -> dict[str, dict[str, Any]]:
    return {f"{name}-{n:04}": {"customer": name, "n": n}
            for name, count in counts.items() for n in range(count)}  # fmt: skip


def begin(processor: Processor) -> Run:
    return control.run_once(processor.pk, act())


def claimed(run: Run, owner: str = "host:1:a") -> Lease | None:
    return claiming.claim(source_of(run), Ask(run.pk, owner, hand=1_000))


def take(
    run: Run,
    clock: Clockwork,
    owner: str = "host:1:a",
    *,
    failing: bool = False,
    by: Callable[[Any], Any] = lambda payload: payload.get("customer"),
) -> Taken:
    """Claim and settle at once: when, and whose."""
    lease = claimed(run, owner)
    if lease is None:
        return []
    settlement = Settlement(lease.batch_id, run.pk, lease.owner, clock.now)
    if failing:
        settlement.others = [(c, Outcome("retry", message="x", after=1.0)) for c in lease.claimed]
    else:
        settlement.done = [(c, None) for c in lease.claimed]
    with transaction.atomic(durable=True):
        step = Step(settlement, close=CloseReason.COMPLETED)
        leases.commit_inside(source_of(run), lease, step)
    return [(clock.now, by(c.payload)) for c in lease.claimed]


def work(run: Run, clock: Clockwork, seconds: float, **how: Any) -> Taken:
    """What two workers take who come whenever it is worth while, each a little late."""
    ends_at, taken = clock.now + timedelta(seconds=seconds), Taken()
    for turn in counting():
        if clock.now >= ends_at:
            break
        found = take(run, clock, f"host:{turn % 2}:a", **how)
        taken += found
        held = lanes.held(run.processor, run, clock.now)
        late = 0.01 * (turn % 7)
        if held:
            clock.set(held.until + timedelta(seconds=late))
        elif not found:
            clock.advance(1)
    return taken


def count(taken: Taken, name: str) -> int:
    return sum(one == name for _, one in taken)


def most_within_a_minute(taken: Taken, name: Any) -> int:
    return most_within(60, [(at, 1) for at, one in taken if one == name])


def most_within(seconds: float, passed: Sequence[tuple[datetime, int]]) -> int:
    """The largest number that passed in any window of this length."""
    window = timedelta(seconds=seconds)
    return max(
        (sum(n for when, n in passed if at <= when < at + window) for at, _ in passed), default=0
    )


def let_through(rate: Rate, pauses: Sequence[float]) -> list[tuple[datetime, int]]:
    """What a limit by itself lets pass of one who asks after each of these pauses, in seconds."""
    now = free_at = BEGINNING
    passed = []
    for pause in pauses:
        now += timedelta(seconds=pause)
        room = rate.room(free_at, now)
        free_at = rate.after(free_at, room, now)
        passed.append((now, room))
    return passed
