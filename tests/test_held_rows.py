"""A worker that sleeps within a transaction holds its rows, and nobody else's time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from processors import control, maintenance
from processors.clock import database_now
from processors.models import Batch, Installation, Lane, Processor
from processors.protocol import lanes, reaping
from tests.factories import make_batch, make_lane, make_processor, make_run
from tests.stories import act

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite locks no rows"),
]


@contextmanager
def held(sql: str, params: Sequence[Any]) -> Iterator[None]:
    """Somebody else's transaction, which has these rows; we wait for nobody longer than 0.1 s."""
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute(sql, params)
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '100ms'")
        yield
    finally:
        other.close()
        connection.close()


def test_a_batch_whose_worker_sleeps_in_its_commit_keeps_no_other_from_its_strike() -> None:
    since = database_now() - timedelta(minutes=10)
    asleep, lost = (make_batch(make_run(), opened_at=since) for _ in range(2))

    with held("SELECT 1 FROM processors_batch WHERE id = %s FOR NO KEY UPDATE", [asleep.pk]):
        reaping.reap(database_now())

    assert list(Batch.objects.struck_once()) == [lost]


def test_a_pause_that_cannot_end_keeps_no_other_from_its_end() -> None:
    asleep, other = (make_processor(state="started") for _ in range(2))
    run = make_run(asleep)
    for processor in (asleep, other):
        control.pause(processor.pk, act())
    Processor.objects.update(paused_until=database_now())

    with held("SELECT 1 FROM processors_run WHERE id = %s FOR SHARE", [run.pk]):
        ticked = maintenance.tick()

    assert ticked.resumed == 1
    assert list(Processor.objects.filter(state="started")) == [other]


def test_the_installations_row_is_not_waited_for_by_runs() -> None:
    run = make_run()
    Installation.objects.update(reaped_at=database_now() - timedelta(hours=1))

    with held("SELECT 1 FROM processors_installation FOR NO KEY UPDATE", []):
        ticked = maintenance.tick()

    run.refresh_from_db()
    assert (ticked.ended, run.has_ended) == (1, True)


def test_a_limit_that_is_held_keeps_no_idle_lane_of_another() -> None:
    asleep, other = (make_processor(rate_limits=["5/min by customer"]) for _ in range(2))
    long_ago = database_now() - timedelta(hours=1)
    for processor in (asleep, other):
        make_lane(processor, free_at=long_ago, window_at=long_ago)
        processor.allowances.create(limit="5/min by customer", free_at=long_ago, window_at=long_ago)

    lock = "SELECT 1 FROM processors_allowance WHERE processor_id = %s FOR NO KEY UPDATE"
    with held(lock, [asleep.pk]):
        lanes.keep_up()

    assert [lane.processor for lane in Lane.objects.all()] == [asleep]
