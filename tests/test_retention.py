"""Pruning costs what is old, and goes past what stays."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from processors import retention
from processors.acts import Refused, by_command_line
from processors.clock import database_now
from processors.explain import why
from processors.models import Actor, BulkAct, Event, Processor, Record, Run, Version
from processors.models.door import Move
from processors.retention import Retention, plan_purge, prune, purge
from tests.admin.conftest import a_batch, a_failed_record, a_processor, a_run, an_active_run

pytestmark = pytest.mark.django_db

OLD = timedelta(days=100)


def counted(removed: dict[str, int]) -> dict[str, int]:
    """What there was some of."""
    return {name: count for name, count in removed.items() if count}


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
    monkeypatch.setattr(retention, "PRUNE_CHUNK", 2)
    monkeypatch.setattr(retention, "LOOKED_AT_ONCE", 3)
    processor = a_processor()
    for seq in range(1, 8):
        run = an_old_run(processor, seq)
        if seq in (2, 3, 4):
            a_failed_record(processor, run, key=f"dead-{seq}", created_at=run.started_at)
    records(processor, 5, "dead", old=True)
    records(processor, 5, "done", old=True)

    removed = prune(Retention(), now=database_now())

    assert counted(removed) == {"batches": 3, "events": 6, "records": 5, "runs": 3}
    assert sorted(Run.objects.values_list("seq", flat=True)) == [2, 3, 4, 7]
    assert set(Record.objects.values_list("state", flat=True)) == {"dead"}


def test_a_dry_run_tells_what_would_go() -> None:
    processor = a_processor()
    for seq in range(1, 4):
        an_old_run(processor, seq)
    records(processor, 2, "done", old=True)

    told = prune(Retention(), now=database_now(), dry_run=True)

    assert counted(told) == {"batches": 2, "events": 4, "records": 2, "runs": 2}
    assert told == prune(Retention(), now=database_now())


def test_who_paused_a_processor_is_known_as_long_as_it_is() -> None:
    processor, long_ago = a_processor(state="started"), database_now() - timedelta(days=400)
    for verb in (processor.stop, processor.start, processor.pause):
        verb(Move(Actor("anna"), long_ago, "CRM"))

    removed = prune(Retention(), now=database_now())

    assert counted(removed) == {"events": 2}
    assert why(processor, database_now()).endswith(": CRM.")


def test_nothing_is_read_behind_the_first_young_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "LOOKED_AT_ONCE", 2)
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
    monkeypatch.setattr(retention, "LOOKED_AT_ONCE", 1)
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


def versions(processor: Processor, count: int, at: datetime) -> None:
    Version.objects.bulk_create(
        Version(processor=processor, number=number, definition={}, action="edit", actor="a", at=at)
        for number in range(1, count + 1)
    )


def test_old_versions_go_but_for_the_newest_of_each_processor() -> None:
    long_ago = database_now() - timedelta(days=400)
    busy, quiet, young = a_processor("busy"), a_processor("quiet"), a_processor("young")
    versions(busy, 53, long_ago)
    versions(quiet, 50, long_ago)
    versions(young, 60, database_now())

    told = prune(Retention(), now=database_now(), dry_run=True)
    removed = prune(Retention(), now=database_now())

    assert counted(told) == counted(removed) == {"versions": 3}
    assert Version.objects.filter(processor=busy).earliest("number").number == 4


def test_acts_on_many_records_go_with_the_runs_of_their_time() -> None:
    now = database_now()
    for ended in (now - OLD, now, None):
        BulkAct.objects.create(
            what="retry", words="all", actor="anna", expected=1, started_at=now - OLD,
            seen_at=now - OLD, ended_at=ended,
        )  # fmt: skip

    assert counted(prune(Retention(), now=now)) == {"bulk_acts": 1}
    assert BulkAct.objects.count() == 2


def test_chosen_runs_go_with_all_that_hangs_on_them_and_history_tells() -> None:
    processor = a_processor()
    chosen = [an_old_run(processor, seq) for seq in (1, 2)]
    last = a_run(processor, 3)
    act = by_command_line("Test data")

    plan = purge([run.pk for run in (*chosen, last)], act)

    assert plan.counts == {"attempts": 0, "events": 4, "batches": 2, "runs": 2}
    assert list(Run.objects.all()) == [last]
    told = Event.objects.get(action="purge")
    assert (told.processor, told.reason) == (processor, "2 runs deleted: Test data")


def test_what_is_young_last_active_or_explains_a_failure_is_not_purged() -> None:
    processor = a_processor()
    young = a_run(processor, 1)
    explains = an_old_run(processor, 2)
    a_failed_record(processor, explains)
    last = an_old_run(processor, 3)
    active = an_active_run(a_processor("other"))

    plan = plan_purge([run.pk for run in (young, explains, last, active)], by_command_line())

    assert plan.runs == []


def test_a_run_stays_until_its_table_has_heard_every_outcome() -> None:
    processor = a_processor()
    run, told = an_old_run(processor, 1), an_old_run(processor, 2)
    a_run(processor, 3)
    for of_run, synced in ((run, False), (told, True)):
        of_run.processor.records.create(
            key=f"{of_run.seq}", state="done", batch=of_run.batches.get(), synced=synced,
            created_at=of_run.started_at, available_at=of_run.started_at,
            settled_at=of_run.started_at,
        )  # fmt: skip

    plan = plan_purge([run.pk, told.pk], by_command_line())
    prune(Retention(), now=database_now())

    assert plan.runs == [told.pk]
    assert set(Run.objects.values_list("seq", flat=True)) == {1, 3}
    assert Record.objects.untold().get().batch == run.batches.get()


def test_more_than_a_request_should_delete_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    processor = a_processor()
    run = an_old_run(processor, 1)
    a_run(processor, 2)
    monkeypatch.setattr(retention, "PURGED_AT_ONCE", 2)

    with pytest.raises(Refused, match="more than 2 rows"):
        purge([run.pk], by_command_line())

    assert Run.objects.count() == 2
