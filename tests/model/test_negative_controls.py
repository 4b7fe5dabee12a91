"""The checks see what they are for: each known mistake, made on purpose, is caught by name."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests import bootstrap
from tests.model import mutants, test_deaths, test_interleavings
from tests.model.agreement import Disagreement
from tests.model.laboratory import laboratory
from tests.model.machine import tell_stories
from tests.model.scenes import Story
from tests.model.stepwise import Stage

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "shop"])

postgres_only = pytest.mark.skipif(
    bootstrap.TEST_DATABASE == "sqlite", reason="SQLite has one writer: nobody comes in between"
)
UNTIL_FOUND = settings(
    max_examples=200,
    stateful_step_count=40,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


Mutant = Callable[[], AbstractContextManager[None]]


@pytest.mark.parametrize("mutant", [mutants.fence_off, mutants.one_strike])
def test_the_stories_find(mutant: Mutant) -> None:
    with laboratory() as clock, mutant(), pytest.raises(Disagreement):
        tell_stories(clock, UNTIL_FOUND)


def test_a_batch_taken_twice_is_seen_without_the_fence(two: Stage) -> None:
    with mutants.fence_off(), pytest.raises(AssertionError):
        test_interleavings.test_a_batch_is_either_committed_or_taken_back(two, "retry")


def test_a_beating_worker_that_is_robbed_is_seen(two: Stage) -> None:
    with mutants.reaper_without_lock(), pytest.raises(AssertionError):
        test_interleavings.test_a_worker_that_still_beats_keeps_its_batch(two)


@postgres_only
def test_a_batch_after_a_stop_is_seen_without_the_gate(two: Stage) -> None:
    with mutants.gate_unlocked(), pytest.raises(AssertionError):
        test_interleavings.test_no_batch_opens_after_the_commit_of_a_stop(two, Story.claim)


def test_a_cycle_that_is_never_armed_is_seen_when_it_ends_in_two_commits(
    transactional_db: None,
) -> None:
    with mutants.end_in_two_commits(), pytest.raises(AssertionError, match="not armed"):
        test_deaths.test_death_while_a_cycle_ends_leaves_the_next_one_armed(None)


@postgres_only
def test_a_pick_that_runs_twice_is_seen(transactional_db: None) -> None:
    with mutants.pick_by_subquery(), pytest.raises(AssertionError):
        test_deaths.test_no_plan_makes_a_claim_larger_than_a_batch(None)
