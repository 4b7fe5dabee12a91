"""What arrives is taken up at once: the record and the cycle that handles it are one commit."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections, transaction

from processors import control, publish
from processors.clock import database_now
from processors.models import Processor, Record, Run
from processors.protocol import cycles
from processors.queues.wakeups import queue
from tests.stories import act, define
from tests.waiting import PATIENCE_SECONDS


def arriving(**definition: Any) -> Processor:
    """An idle processor that handles its records on arrival."""
    processor = define("echo", trigger={"kind": "arrival"}, **definition)
    control.start(processor.pk, act())
    processor.refresh_from_db()
    return processor


def waiting_jobs() -> int:
    return int(queue("default").count)


def test_a_record_and_the_cycle_that_takes_it_up_are_one_commit(transactional_db: None) -> None:
    processor = arriving(parallelism=3)

    with counted_commits() as commits:  # as for many; few take a single statement
        publish(processor.slug, iter([{"key": "a", "payload": {}}]))

    assert (Record.objects.count(), Run.objects.count(), len(commits)) == (1, 1, 1)
    assert waiting_jobs() == 1  # no more workers than records


@contextmanager
def counted_commits() -> Iterator[list[None]]:
    """An item for each commit of this connection."""
    commits: list[None] = []
    commit = connection.commit

    def counting() -> None:
        commit()
        commits.append(None)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "commit", counting)
        yield commits


def test_publishing_inside_a_transaction_keeps_no_processor_locked(transactional_db: None) -> None:
    processor = arriving()

    with transaction.atomic():
        publish(processor.slug, [{"key": "a", "payload": {}}])
        inside = Run.objects.count()

    assert (inside, Run.objects.count()) == (0, 1)
    assert waiting_jobs() == 1


def test_what_arrives_for_later_begins_no_cycle(transactional_db: None) -> None:
    processor = arriving()
    later = database_now() + timedelta(hours=1)

    publish(processor.slug, [{"key": "a", "payload": {}, "available_at": later}])

    processor.refresh_from_db()
    assert not Run.objects.exists()
    assert processor.next_due_at is not None  # it is looked at again


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite locks no single row")
def test_publishing_does_not_wait_for_a_processor_that_somebody_holds(
    transactional_db: None,
) -> None:
    processor = arriving()
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                Processor.objects.select_for_update().get(pk=processor.pk)
                holding.set()
                done.wait(PATIENCE_SECONDS)
        finally:
            connections.close_all()

    with ThreadPoolExecutor() as threads:
        holder = threads.submit(hold)
        assert holding.wait(PATIENCE_SECONDS)
        with transaction.atomic():
            begun = cycles.begin_arrived(processor.pk)
        done.set()
        holder.result()

    assert begun is None
