"""Two at the same moment: every order of their statements that few switches can make."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from processors import dead_letters, pause_all
from processors.clock import database_now
from processors.models import Attempt, Batch, Installation, Lane, Processor, Record, Run
from processors.protocol import arming, gate, lanes
from tests.handling.models import Effect
from tests.model.scenes import LONG_AGO, THOROUGH, Story, play
from tests.model.stepwise import Stage
from tests.stories import fill_inbox

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "shop"])


def test_two_that_begin_a_due_cycle_begin_one(two: Stage) -> None:
    def make() -> Any:
        story = Story().due()
        return story, {"anna": story.begin_due, "ben": story.begin_due}

    def verify(story: Story, answers: dict[str, Any]) -> None:
        assert sorted(answers.values()) == [False, True]
        assert [run.seq for run in Run.objects.all()] == [1]

    play(two, make, verify, preemptions=THOROUGH)


def test_the_end_of_a_cycle_and_the_begin_of_the_next_never_overlap(two: Stage) -> None:
    def make() -> Any:
        story = Story(1).through()
        fill_inbox(story.processor, {"new": {}})
        Processor.objects.update(pause_seconds=0)
        return story, {"anna": story.end_cycle, "ben": story.begin_due}

    def verify(story: Story, answers: dict[str, Any]) -> None:
        assert answers["anna"]
        assert Run.objects.active().count() == answers["ben"]
        assert Processor.objects.get().next_due_at is not None or answers["ben"]

    play(two, make, verify, preemptions=THOROUGH)


def test_two_that_end_a_cycle_end_it_once(two: Stage) -> None:
    def make() -> Any:
        story = Story(1).through()
        return story, {"anna": story.end_cycle, "ben": story.end_cycle}

    def verify(story: Story, answers: dict[str, Any]) -> None:
        assert sorted(answers.values()) == [False, True]

    play(two, make, verify)


@pytest.mark.parametrize("claim", [Story.claim, Story.claim_first])
def test_no_batch_opens_after_the_commit_of_a_stop(
    two: Stage, claim: Callable[[Story], Any]
) -> None:
    def make() -> Any:
        story = Story().running()
        return story, {"anna": partial(claim, story), "ben": lambda: story.operate("stop")}

    def verify(story: Story, answers: dict[str, Any]) -> None:
        lease = answers["anna"]
        assert Batch.objects.leased().count() == (lease is not None)
        assert story.run.state == ("stopping" if lease else "stopped")

    play(two, make, verify, preemptions=THOROUGH)


@pytest.mark.parametrize("claim", [Story.claim, Story.claim_first])
def test_a_batch_that_opens_beside_a_pause_of_everything_has_passed_the_gate_before_it(
    two: Stage, claim: Callable[[Story], Any]
) -> None:
    def make() -> Any:
        story = Story().running()
        Installation.make()
        return story, {"anna": partial(claim, story), "ben": lambda: pause_all.pause_all(story.by)}

    def verify(story: Story, answers: dict[str, Any]) -> None:
        assert Batch.objects.leased().count() == (answers["anna"] is not None)
        assert claim(story) is None
        assert gate.state_of(story.run.pk) == "pausing"
        pause_all.resume_all(story.by)
        assert claim(story) is not None

    play(two, make, verify)


def test_no_batch_opens_in_a_run_that_is_ending(two: Stage) -> None:
    def make() -> Any:
        story = Story(1).through()
        Record.objects.update(state="ready", batch_id=None, settled_at=None)
        return story, {"anna": story.claim, "ben": story.end_cycle}

    def verify(story: Story, answers: dict[str, Any]) -> None:
        assert answers["anna"] is not None
        assert not answers["ben"]

    play(two, make, verify)


@pytest.mark.parametrize("kind", ["done", "retry"])
def test_a_batch_is_either_committed_or_taken_back(two: Stage, kind: str) -> None:
    def make() -> Any:
        story = Story(2).running()
        lease = story.claim()
        assert lease
        story.silent()
        return story, {"anna": lambda: story.commit(lease, kind=kind), "ben": story.reap}

    def verify(story: Story, answers: dict[str, Any]) -> None:
        committed = answers["anna"] == "committed"
        assert answers["ben"] == (not committed)
        assert Effect.objects.count() == (2 if committed else 0)
        crashed = Attempt.objects.filter(outcome="crashed").count()
        assert crashed == (0 if committed else 1)

    play(two, make, verify, preemptions=THOROUGH)


def test_a_worker_that_still_beats_keeps_its_batch(two: Stage) -> None:
    def make() -> Any:
        story = Story(2).running()
        lease = story.claim()
        assert lease
        story.silent()
        return story, {"anna": lambda: story.beat(lease), "ben": story.reap}

    def verify(story: Story, answers: dict[str, Any]) -> None:
        assert answers["ben"] == (answers["anna"] == "lost")

    play(two, make, verify, preemptions=THOROUGH)


def test_two_reapers_take_a_batch_once(two: Stage) -> None:
    def make() -> Any:
        story = Story(2).running()
        assert story.claim()
        story.silent()
        return story, {"anna": story.reap, "ben": story.reap}

    def verify(story: Story, answers: dict[str, Any]) -> None:
        assert sorted(answers.values()) == [0, 1]
        assert Attempt.objects.count() == 1

    play(two, make, verify)


@pytest.mark.parametrize("definition", [{"parallelism": 1}, {"records_per_cycle": 2}])
def test_two_that_claim_keep_the_limits(two: Stage, definition: dict[str, int]) -> None:
    def make() -> Any:
        story = Story(4, **definition).running()
        return story, {"anna": story.claim, "ben": story.claim_first}

    def verify(story: Story, answers: dict[str, Any]) -> None:
        got = [lease for lease in answers.values() if lease]
        assert sum(lease.size for lease in got) == 2
        assert len(got) == 1

    play(two, make, verify)


HOURLY = "1/h by customer"  # no record of these scenes has one: together they are one key


def test_two_that_claim_keep_to_the_limit_of_a_key(two: Stage) -> None:
    def make() -> Any:
        story = Story(3, rate_limits=[HOURLY]).running()
        return story, {"anna": story.claim, "ben": story.claim_first}

    def verify(story: Story, answers: dict[str, Any]) -> None:
        got = [lease for lease in answers.values() if lease]
        assert sum(lease.size for lease in got) == 1
        assert Record.objects.in_lanes().count() == 2
        assert Lane.objects.get().used == 1

    play(two, make, verify)


def test_two_that_claim_share_the_turns_of_a_lane(two: Stage) -> None:
    def make() -> Any:
        story = Story(3, rate_limits=[HOURLY]).running()
        first = story.claim()
        assert first
        story.commit(first)
        Lane.objects.update(free_at=database_now() - LONG_AGO)
        return story, {"anna": story.claim, "ben": story.claim}

    def verify(story: Story, answers: dict[str, Any]) -> None:
        assert sum(lease is not None for lease in answers.values()) == 1
        assert Record.objects.in_lanes().count() == 1
        assert Lane.objects.get().waits

    play(two, make, verify)


def test_a_limit_that_is_taken_away_while_somebody_claims_loses_nothing(two: Stage) -> None:
    def make() -> Any:
        story = Story(4, rate_limits=[HOURLY]).running()
        first = story.claim()
        assert first
        story.commit(first)
        fill_inbox(story.processor, {"new": {}})
        Lane.objects.update(free_at=database_now() - LONG_AGO)
        return story, {"anna": story.claim, "ben": partial(story.limit, [])}

    def verify(story: Story, answers: dict[str, Any]) -> None:
        lanes.keep_up()
        assert Record.objects.filter(state="done").count() == 1
        assert not Record.objects.in_lanes().exists()
        taken = answers["anna"].size if answers["anna"] else 0
        assert Record.objects.claimable(database_now()).count() == 4 - taken

    play(two, make, verify)


def test_two_that_claim_share_nothing(two: Stage) -> None:
    def make() -> Any:
        story = Story(3).running()
        return story, {"anna": story.claim, "ben": story.claim_first}

    def verify(story: Story, answers: dict[str, Any]) -> None:
        keys = [c.key for lease in answers.values() if lease for c in lease.claimed]
        assert len(keys) == len(set(keys)) == 3

    play(two, make, verify)


ON_ARRIVAL = {"trigger": {"kind": "arrival"}}


def test_two_that_publish_begin_one_cycle(two: Stage) -> None:
    def make() -> Any:
        story = Story(0, **ON_ARRIVAL).due()
        return story, {"anna": partial(story.publish, "a"), "ben": partial(story.publish, "b")}

    def verify(story: Story, answers: dict[str, Any]) -> None:
        assert sum(published.new for published in answers.values()) == 2
        assert Run.objects.active().count() == Run.objects.count() == 1

    play(two, make, verify)


def test_what_arrives_while_a_cycle_ends_is_not_forgotten(two: Stage) -> None:
    def make() -> Any:
        story = Story(1, **ON_ARRIVAL).through()
        return story, {"anna": story.end_cycle, "ben": partial(story.publish, "new")}

    def verify(story: Story, answers: dict[str, Any]) -> None:
        assert answers["ben"].new == 1
        assert Record.objects.filter(state="ready").count() == 1
        is_armed = Processor.objects.get().next_due_at is not None
        assert is_armed or Run.objects.active().exists()

    play(two, make, verify)


def test_a_dead_letter_is_retried_or_discarded_not_both(two: Stage) -> None:
    def make() -> Any:
        story = Story(1)
        Record.objects.update(state="dead", settled_at=database_now(), maybe_seen=True)
        pk, all_ = story.processor.pk, dead_letters.Selection()
        return story, {
            "anna": lambda: dead_letters.retry(pk, story.by, all_),
            "ben": lambda: dead_letters.discard(pk, story.by, all_),
        }

    def verify(story: Story, answers: dict[str, Any]) -> None:
        assert sorted(answers.values()) == [0, 1]
        expected = "ready" if answers["anna"] else "skipped"
        assert Record.objects.get().state == expected

    play(two, make, verify)


def test_pause_and_stop_at_once_end_in_one_of_the_orders(two: Stage) -> None:
    def make() -> Any:
        story = Story().running()
        acts = {
            n: (lambda v=v: story.operate(v)) for n, v in {"anna": "pause", "ben": "stop"}.items()
        }
        return story, acts

    def verify(story: Story, answers: dict[str, Any]) -> None:
        assert story.run.state == "stopped"
        assert Processor.objects.get().state == "stopped"

    play(two, make, verify)


def test_a_stop_while_the_clock_is_put_right_leaves_nothing_due(two: Stage) -> None:
    def make() -> Any:
        story = Story().due()
        later = database_now() + LONG_AGO
        Processor.objects.update(next_due_at=later, next_slot_at=later)
        rearm = partial(arming.rearm_after_clock_change, database_now())
        return story, {"anna": rearm, "ben": lambda: story.operate("stop")}

    def verify(story: Story, answers: dict[str, Any]) -> None:
        processor = Processor.objects.get()
        assert (processor.state, processor.next_due_at) == ("stopped", None)

    play(two, make, verify)
