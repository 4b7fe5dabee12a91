"""What a worker notes of its outcomes for the circuit breaker: each once, whenever it looks."""

import pytest

from processors.clock import database_now
from processors.cycle.judging import Judge
from processors.handlers.outcomes import Outcome
from processors.models import Processor
from processors.sources.base import Claimed, Settlement
from tests.factories import make_processor, make_run

pytestmark = pytest.mark.django_db


def add(settlement: Settlement, done: int, failed: int) -> None:
    numbers = range(len(settlement), len(settlement) + done + failed)
    new = [Claimed(n, f"{id(settlement)}-{n}", {}, visit=1) for n in numbers]
    settlement.done += [(claimed, None) for claimed in new[:done]]
    settlement.others += [(claimed, Outcome("retry", message="x")) for claimed in new[done:]]


def test_every_outcome_counts_once_over_looks_and_settlements() -> None:
    judge = Judge(make_run())
    first, second = (Settlement(1, 1, "worker", database_now()) for _ in range(2))

    judge.watch(first)
    add(first, 50, 3)
    judge.look()
    judge.look()
    add(first, 4, 2)
    judge.watch(second)  # notes what was added to the first since
    add(second, 0, 1)
    judge.look()
    add(second, 6, 0)
    judge.look()

    window = judge._window
    assert window is not None
    assert (window.successes, window.failures) == (60, 6)


def test_a_trial_is_passed_with_the_third_success() -> None:
    processor = make_processor(on_trial=True)
    judge = Judge(make_run(processor))
    settlement = Settlement(1, 1, "worker", database_now())
    judge.watch(settlement)

    for is_over in (False, False, True):
        add(settlement, 1, 0)
        judge.conclude()
        assert Processor.objects.get().on_trial is not is_over
