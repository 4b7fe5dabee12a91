"""A process that dies before any statement or commit of an act; then life goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from processors import dead_letters
from processors.clock import database_now
from processors.force_stop import force_stop
from processors.ledger_check import AT_REST, QUESTIONS, check
from processors.models import Batch, Processor, Record, Run
from tests import bootstrap
from tests.handling.models import Effect
from tests.model.clockwork import run as run_sql
from tests.model.laboratory import without_wakes
from tests.model.scenes import LONG_AGO, Story
from tests.model.stepwise import Killed, Scene, kill_everywhere, stage

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "shop"])


def go_on(story: Story) -> None:
    """What a scheduler and another worker do until nothing is left."""
    story.silent()
    story.reap()
    for _ in range(20):
        Processor.objects.filter(state="started").update(
            next_due_at=database_now() - LONG_AGO, next_slot_at=database_now() - LONG_AGO
        )
        story.begin_due()
        Record.objects.filter(state="ready").update(available_at=database_now() - LONG_AGO)
        while Run.objects.active().exists() and (lease := story.claim()):
            story.commit(lease)
        if Run.objects.exists():
            story.end_cycle()
        if not Record.objects.filter(state__in=["ready", "claimed"]).exists():
            return


def bound(story: Story) -> Callable[[], Any]:
    lease = story.claim()
    assert lease
    return lambda: story.commit(lease)


def in_silence() -> Story:
    story = Story().running()
    assert story.claim()
    return story.silent()


def with_dead() -> Story:
    story = Story().running()
    Record.objects.update(state="dead", settled_at=database_now(), maybe_seen=True)
    return story


def force(story: Story) -> str:
    return force_stop(story.processor.pk, story.by, typed_name="story")


def retry(story: Story) -> int:
    return dead_letters.retry(story.processor.pk, story.by, dead_letters.Selection())


ACTS: dict[str, tuple[Callable[[], Story], Callable[[Story], Callable[[], Any]]]] = {
    "begin": (lambda: Story().due(), lambda story: story.begin_due),
    "claim": (lambda: Story().running(), lambda story: story.claim),
    "commit": (lambda: Story().running(), bound),
    "reap": (in_silence, lambda story: story.reap),
    "stop": (lambda: Story().running(), lambda story: lambda: story.operate("stop")),
    "pause": (lambda: Story().running(), lambda story: lambda: story.operate("pause")),
    "force": (in_silence, lambda story: lambda: force(story)),
    "retry": (with_dead, lambda story: lambda: retry(story)),
}


@pytest.mark.parametrize("act", sorted(ACTS))
def test_death_anywhere_in_an_act_loses_and_doubles_nothing(act: str) -> None:
    story: list[Story] = []
    set_up, choose = ACTS[act]

    def prepare() -> dict[str, Callable[[], Any]]:
        story[:] = [set_up()]
        return {"anna": choose(story[0])}

    def verify(answers: dict[str, Any]) -> None:
        answer = answers["anna"]
        assert isinstance(answer, Killed) or not isinstance(answer, BaseException), answer
        assert check(QUESTIONS) == []
        story[0].operate("start")
        if act == "retry":
            retry(story[0])
        go_on(story[0])
        handled = sorted(Effect.objects.values_list("key", flat=True))
        assert handled == sorted(Record.objects.values_list("key", flat=True))
        assert [b.sentence for b in check(AT_REST) if b.invariant != "I11"] == []

    with without_wakes(), stage("anna") as alone:
        assert kill_everywhere(alone, Scene(prepare, verify)) >= 1


def test_death_while_a_cycle_ends_leaves_the_next_one_armed(transactional_db: None) -> None:
    story: list[Story] = []

    def prepare() -> dict[str, Callable[[], Any]]:
        story[:] = [Story(1).through()]
        return {"anna": story[0].end_cycle}

    def verify(answers: dict[str, Any]) -> None:
        has_ended = not Run.objects.active().exists()
        is_armed = Processor.objects.get().next_due_at is not None
        assert has_ended == is_armed, "ended, but not armed" if has_ended else "armed too early"

    with without_wakes(), stage("anna") as alone:
        assert kill_everywhere(alone, Scene(prepare, verify)) >= 1


@contextmanager
def planner_without(*ways: str) -> Iterator[None]:
    """Plans that old statistics might lead to."""
    for way in ways:
        run_sql(f"SET enable_{way} = off")
    try:
        yield
    finally:
        for way in ways:
            run_sql(f"RESET enable_{way}")


@pytest.mark.skipif(bootstrap.TEST_DATABASE == "sqlite", reason="SQLite locks no rows to skip")
def test_no_plan_makes_a_claim_larger_than_a_batch(transactional_db: None) -> None:
    story = Story(40).running()

    with planner_without(
        "hashjoin", "mergejoin", "hashagg", "sort", "material", "indexscan", "bitmapscan"
    ):
        lease = story.claim()

    assert lease
    assert lease.size == 2
    assert Batch.objects.get().claimed == Record.objects.filter(state="claimed").count() == 2
