"""Stories of claims, crashes, stops and clocks, told by a machine beside a plain reference."""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.model.laboratory import laboratory
from tests.model.machine import tell_stories
from tests.model.reference import Shape
from tests.model.world import World

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "40"))
QUICK = settings(
    max_examples=EXAMPLES,
    stateful_step_count=40 if EXAMPLES <= 100 else 60,
    deadline=None,
    database=None,
    derandomize=EXAMPLES <= 100,
    # A story is told again in a second: shrinking one takes minutes, and is for a desk.
    phases=[Phase.generate, *([Phase.shrink] if os.environ.get("MODEL_SHRINK") else [])],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.timeout(0 if EXAMPLES > 100 else 900)  # hundreds of transactions
def test_no_story_makes_the_protocol_differ_from_its_reference(transactional_db: None) -> None:
    with laboratory() as clock:
        tell_stories(clock, QUICK)


def test_a_dead_letter_can_be_retried_although_the_clock_went_back(transactional_db: None) -> None:
    with laboratory() as clock:
        world = World(clock, Shape(trigger="manual"))
        world.add(1)
        world.operate("run_once")
        worker = world.claim()
        assert worker
        world.commit(worker, [("dead", 0.0)])

        world.advance(-30)
        world.treat_dead("retry")

        world.agree()
        world.drain()
