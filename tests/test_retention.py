"""Pruning costs what is old, and goes past what stays."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from processors import maintenance
from processors.clock import database_now
from processors.maintenance import Retention, prune
from processors.models import Event, Processor, Record, Run
from tests.admin.conftest import a_batch, a_failed_record, a_processor, a_run

pytestmark = pytest.mark.django_db

OLD = timedelta(days=100)


def an_old_run(processor: Processor, seq: int) -> Run:
    """Ended long ago, with a batch and a line of the audit for each."""
    at = database_now() - OLD
    run = a_run(processor, seq, started_at=at, ended_at=at, claimed=1, done=1)
    batch = a_batch(run, state="closed", claimed=1, done=1, opened_at=at, closed_at=at)
    for subject in ({"run": run}, {"batch": batch}):
        Event.objects.create(
            processor=processor, subject="run", action="end", actor="anna", at=at, **subject
        )
    return run


def records(processor: Processor, count: int, state: str, *, old: bool) -> None:
    at = database_now() - (OLD if old else timedelta())
    first = Record.objects.count()
    Record.objects.bulk_create(
        Record(
            processor=processor, key=f"key-{first + n}", state=state, created_at=at,
            available_at=at, settled_at=at,
        )
        for n in range(count)
    )  # fmt: skip


def test_what_stays_does_not_keep_later_chunks_from_their_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(maintenance, "PRUNE_CHUNK", 2)
    monkeypatch.setattr(maintenance, "LOOKED_AT_ONCE", 3)
    processor = a_processor()
    for seq in range(1, 8):
        run = an_old_run(processor, seq)
        if seq in (2, 3, 4):
            a_failed_record(processor, run, key=f"dead-{seq}", created_at=run.started_at)
    records(processor, 5, "dead", old=True)
    records(processor, 5, "done", old=True)

    removed = prune(Retention(), now=database_now())

    assert removed == {"attempts": 0, "batches": 3, "events": 6, "records": 5, "runs": 3}
    assert sorted(Run.objects.values_list("seq", flat=True)) == [2, 3, 4, 7]
    assert set(Record.objects.values_list("state", flat=True)) == {"dead"}


def test_a_dry_run_tells_what_would_go() -> None:
    processor = a_processor()
    for seq in range(1, 4):
        an_old_run(processor, seq)
    records(processor, 2, "done", old=True)

    told = prune(Retention(), now=database_now(), dry_run=True)

    assert told == {"attempts": 0, "batches": 2, "events": 4, "records": 2, "runs": 2}
    assert told == prune(Retention(), now=database_now())


def test_nothing_is_read_behind_the_first_young_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maintenance, "LOOKED_AT_ONCE", 2)
    processor = a_processor()
    records(processor, 4, "done", old=True)
    records(processor, 20, "done", old=False)

    with CaptureQueriesContext(connection) as asked:
        prune(Retention(), now=database_now(), dry_run=True)

    looks = [each for each in asked if '"is_prunable"' in each["sql"]]
    assert len(looks) == 3


def test_a_record_that_is_handled_anew_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    processor = a_processor()
    records(processor, 1, "done", old=True)
    monkeypatch.setattr(maintenance, "LOOKED_AT_ONCE", 1)
    found = Record.objects.get()
    filtered = type(Record.objects.all()).filter

    def filter_late(self: Any, *args: Any, **kwargs: Any) -> Any:
        if "pk__in" in kwargs:
            monkeypatch.undo()
            Record.objects.filter(pk=found.pk).update(state="ready", settled_at=None)
        return filtered(self, *args, **kwargs)

    monkeypatch.setattr(type(Record.objects.all()), "filter", filter_late)
    prune(Retention(), now=database_now())

    assert Record.objects.get().state == "ready"
