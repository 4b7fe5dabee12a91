"""Broken invariants of batches and their attempts, each named with its row."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils.timezone import now

from processors.models import Attempt, Batch
from tests.factories import (
    make_attempt,
    make_batch,
    make_processor,
    make_run,
)
from tests.ledger_check.conftest import LONG_AGO, broken, without_index

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


def test_a_batch_that_nobody_took_from_its_lost_worker() -> None:
    opened = now() - timedelta(seconds=10 * settings.LEASE_SECONDS)
    batch = make_batch(opened_at=opened, lease_until=opened)

    [found] = broken()

    assert found.startswith(f"I4 batch {batch.pk}: was not taken from host:1:worker")


def test_an_open_batch_of_a_run_that_has_ended() -> None:
    batch = make_batch(make_run(state="finished"))

    assert broken()[0].startswith(f"I4 batch {batch.pk}: is open, but run 1 of ")


@pytest.mark.usefixtures("without_checks")
def test_a_batch_whose_counters_do_not_add_up() -> None:
    batch = make_batch(state="closed", done=2)
    Batch.objects.update(claimed=3)

    assert broken() == [f"I5 batch {batch.pk}: claimed 3, but its outcomes are 2"]


def test_a_batch_that_counts_more_failures_than_were_told() -> None:
    batch = make_batch(state="closed", retried=2, dead=1)
    make_attempt(None, batch)
    other = make_batch(batch.run, state="closed", skipped=1)

    assert broken() == [
        f"I5 batch {batch.pk}: counts 2 retried but 1 attempts, 1 dead but 0 attempts",
        f"I5 batch {other.pk}: counts 1 skipped but 0 attempts",
    ]


def test_a_batch_that_counts_fewer_failures_than_were_told() -> None:
    batch = make_batch(state="closed", done=1)
    make_attempt(None, batch)

    assert broken() == [f"I5 batch {batch.pk}: counts 0 retried but 1 attempts"]


def test_attempts_that_retention_removed_are_not_missed() -> None:
    make_batch(state="closed", retried=2, opened_at=now() - LONG_AGO)

    assert broken(whole_history=True) == []


def test_an_attempt_that_came_after_the_next_batch_had_begun() -> None:
    first = make_batch(state="closed", retried=2)
    second = make_batch(first.run, state="closed", retried=1)
    for batch in (first, second, first):
        make_attempt(None, batch)
    late = Attempt.objects.latest("pk")

    assert broken() == [
        (
            f"I7 batch {first.pk}: wrote attempt {late.pk} after batch {second.pk} had begun "
            "in its slot"
        )
    ]


def test_a_slot_that_two_batches_hold() -> None:
    without_index("batch_one_per_slot")
    run = make_run()
    for _ in range(2):
        make_batch(run, slot=0)

    assert broken() == [f"I8 run {run.pk}: 2 open batches hold slot 0"]


def test_a_batch_beyond_the_limit_of_its_processor() -> None:
    processor = make_processor(parallelism=1)
    batch = make_batch(make_run(processor), slot=1)

    assert broken() == [f"I8 batch {batch.pk}: holds slot 1, but only 1 may be open at once"]


def test_a_limit_that_was_lowered_since_is_no_breach() -> None:
    processor = make_processor(parallelism=2)
    make_batch(make_run(processor), slot=1)
    processor.parallelism = 1
    processor.save()

    assert broken() == []


def test_a_batch_that_was_opened_after_stop() -> None:
    run = make_run(state="stopping", stop_requested_at=now())
    batch = make_batch(run)

    assert broken() == [
        f"I9 batch {batch.pk}: was opened after run 1 of {run.processor.slug} had been stopped"
    ]
