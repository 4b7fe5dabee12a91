"""Two that want the same row, on Postgres: the second waits, sees what the first did, and yields.

The first is stopped right before its commit, with its locks held; the second is found waiting
for them. Nothing here is a matter of time.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from processors import UnknownTarget, pause_all, publish, publishing
from processors.clock import database_now
from processors.models import Attempt, Batch, Installation, Processor, Record, Run
from processors.protocol import all_paused
from processors.protocol.arriving import FEW
from processors.protocol.leases import Lease
from processors.sources.arrivals import Prepared
from tests import bootstrap
from tests.handling.models import Effect
from tests.model.scenes import Story, sound
from tests.model.stepwise import Stage, result

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "shop"]),
    pytest.mark.skipif(bootstrap.TEST_DATABASE == "sqlite", reason="SQLite locks no rows"),
]


Claim = Callable[[Story], Lease | None]


def race(two: Stage, first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Any]:
    """Both answers; fails unless the second waited for the first."""
    two.begin("anna", first)
    two.go_to("anna", "COMMIT")
    two.begin("ben", second)
    assert not two.go_on("ben"), "it did not wait for the lock"

    while not all([two.go_on("anna"), two.go_on("ben")]):
        continue  # what follows the commit may wait in its turn
    sound()
    return result(two.actors["anna"]), result(two.actors["ben"])


def in_hand(records: int = 2) -> tuple[Story, Any]:
    story = Story(records).running()
    lease = story.claim()
    assert lease
    return story, lease


@pytest.mark.parametrize("kind", ["done", "retry"])
def test_a_commit_that_waited_for_the_reaper_writes_nothing(two: Stage, kind: str) -> None:
    story, lease = in_hand()
    story.silent()

    answers = race(two, story.reap, lambda: story.commit(lease, kind=kind))

    assert answers == (1, "lost")
    assert not Effect.objects.exists()
    assert Attempt.objects.filter(outcome="crashed").count() == Attempt.objects.count() == 1


def test_a_reaper_that_waited_for_a_commit_takes_nothing(two: Stage) -> None:
    story, lease = in_hand()
    story.silent()

    answers = race(two, lambda: story.commit(lease), story.reap)

    assert answers == ("committed", 0)
    assert Batch.objects.get().close_reason == "completed"
    assert not Attempt.objects.exists()


def test_a_reaper_that_waited_for_a_heartbeat_takes_nothing(two: Stage) -> None:
    story, lease = in_hand()
    story.silent()

    def beat() -> str:
        with transaction.atomic():
            return story.beat(lease)

    assert race(two, beat, story.reap) == ("beaten", 0)
    assert Batch.objects.leased().count() == 1


@pytest.mark.parametrize("claim", [Story.claim, Story.claim_first])
def test_a_claim_that_waited_for_a_stop_opens_nothing(two: Stage, claim: Claim) -> None:
    story = Story().running()

    _, lease = race(two, lambda: story.operate("stop"), lambda: claim(story))

    assert lease is None
    assert not Batch.objects.exists()
    assert not Record.objects.filter(state="claimed").exists()


def test_nothing_rests_while_a_claim_is_under_way_that_looked_before_the_pause_of_everything(
    two: Stage,
) -> None:
    story = Story().running()
    Installation.make()

    def pause_and_look() -> bool:
        pause_all.pause_all(story.by)
        return all_paused.is_at_rest()

    lease, rests = race(two, story.claim, pause_and_look)

    assert rests is False
    assert story.commit(lease) == "committed"
    assert all_paused.is_at_rest()


def test_a_stop_that_waited_for_a_claim_leaves_it_its_batch(two: Stage) -> None:
    story = Story().running()

    lease, _ = race(two, story.claim, lambda: story.operate("stop"))

    assert lease is not None
    assert Run.objects.get().state == "stopping"
    assert story.commit(lease) == "committed"


@pytest.mark.parametrize("claim", [Story.claim, Story.claim_first])
def test_a_claim_that_waited_for_the_end_of_the_cycle_opens_nothing(
    two: Stage, claim: Claim
) -> None:
    story = Story(1).through()

    assert race(two, story.end_cycle, lambda: claim(story)) == (True, None)
    assert not Batch.objects.leased().exists()


@pytest.mark.parametrize(("parallelism", "sizes"), [(1, [2]), (2, [2, 1])])
def test_a_claim_in_one_statement_that_waited_for_another_takes_what_is_left(
    two: Stage, parallelism: int, sizes: list[int]
) -> None:
    story = Story(3, parallelism=parallelism).running()

    leases = race(two, story.claim, story.claim_first)

    assert [lease.size for lease in leases if lease] == sizes
    assert [lease.slot for lease in leases if lease] == list(range(parallelism))


def test_an_end_that_waited_for_a_claim_ends_nothing(two: Stage) -> None:
    story = Story().running()

    lease, has_ended = race(two, story.claim, story.end_cycle)

    assert lease is not None
    assert has_ended is False


def test_of_two_reapers_the_second_finds_nothing(two: Stage) -> None:
    story, _ = in_hand()
    story.silent()

    assert race(two, story.reap, story.reap) == (1, 0)
    assert Attempt.objects.count() == 1


def test_of_two_that_end_a_cycle_the_second_finds_it_ended(two: Stage) -> None:
    story = Story(1).through()

    assert race(two, story.end_cycle, story.end_cycle) == (True, False)


def publish_file(target: str) -> None:
    publish(target, [{"key": f"k{n}", "payload": {}} for n in range(FEW + 1)])


def publish_one(target: str) -> None:
    publish(target, [{"key": "k", "payload": {}}])


def publish_in_a_handler(target: str) -> None:
    """What it published is stored with its outcome."""
    with transaction.atomic():
        publishing.store([Prepared(target, "k", "{}")], now=database_now())


def delete(processor: Processor, client: Client) -> Any:
    page = reverse("admin:processors_processor_delete", args=[processor.pk])
    return client.post(page, {"post": "yes"})


@pytest.mark.parametrize("publication", [publish_file, publish_in_a_handler])
def test_a_processor_is_not_deleted_under_what_is_being_published(
    two: Stage, admin_client: Client, publication: Callable[[str], None]
) -> None:
    processor = Story(0).processor

    _, answer = race(
        two, lambda: publication(processor.slug), lambda: delete(processor, admin_client)
    )

    assert "has records, which nobody would treat" in answer.content.decode()
    assert Record.objects.filter(processor=processor).exists()
    assert Processor.objects.exists()


@pytest.mark.parametrize("publication", [publish_file, publish_one, publish_in_a_handler])
def test_nothing_is_stored_for_a_processor_that_is_being_deleted(
    two: Stage, admin_client: Client, publication: Callable[[str], None]
) -> None:
    processor = Story(0).processor

    _, error = race(
        two, lambda: delete(processor, admin_client), lambda: publication(processor.slug)
    )

    assert not Processor.objects.exists()
    assert not Record.objects.exists()
    assert publication is publish_in_a_handler or isinstance(error, UnknownTarget)
