"""Each invariant, broken on purpose, is named with its row (FAULTS 4.1)."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.db import connection
from django.utils.timezone import now

from processors.ledger_check import AT_REST, QUESTIONS, check
from processors.models import Attempt, Batch, Lane, Processor, Record, Run
from tests.factories import (
    make_attempt,
    make_batch,
    make_claimed,
    make_event,
    make_lane,
    make_processor,
    make_record,
    make_run,
    make_table_source,
)

pytestmark = pytest.mark.django_db(databases=["default", "shop"])

LONG_AGO = timedelta(days=3)


def broken(questions: Any = QUESTIONS, **options: bool) -> list[str]:
    return [str(breach) for breach in check(questions, **options)]


def run_sql(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@pytest.fixture
def without_checks() -> Iterator[None]:
    """CHECK constraints of batches and runs put aside; the rollback brings them back."""
    if connection.vendor == "sqlite":
        run_sql("PRAGMA ignore_check_constraints = ON")
        yield
        run_sql("PRAGMA ignore_check_constraints = OFF")
        return
    drop = "ALTER TABLE processors_{} DROP CONSTRAINT {}"
    run_sql(
        drop.format("batch", "batch_counters_add_up"),
        drop.format("run", "run_counters_add_up"),
        drop.format("record", "record_claimed_has_batch"),
    )
    yield


def without_index(name: str) -> None:
    """A unique index put aside; the rollback brings it back."""
    run_sql(f"DROP INDEX {name}")


# Sound


def a_sound_history() -> Processor:
    """A run with every outcome, one in hand, and a table's processor with a row in hand."""
    processor = make_processor(state="started", next_due_at=None)
    run = make_run(
        processor, state="finished", done=1, retried=1, dead=1, crashed=1, parked=1, skipped=1
    )
    batch = make_batch(
        run, state="closed", done=1, retried=1, dead=1, crashed=1, parked=1, skipped=1
    )
    for outcome in ("retry", "dead", "crashed", "parked", "skipped", "done"):
        make_attempt(make_record(processor, state="done"), batch, outcome=outcome)
    make_claimed(make_run(processor), 3)
    make_batch(make_run(a_table_processor(2)), keys=[1])
    run_sql("UPDATE customer_order SET status = 'TAKEN' WHERE id = 1")
    return processor


def a_table_processor(rows: int = 0, **source: Any) -> Processor:
    return make_processor(source=make_table_source(rows, **source), trigger_kind="interval")


def test_a_sound_ledger_has_no_breach() -> None:
    a_sound_history()

    assert broken() == broken(whole_history=True) == []


@pytest.mark.django_db(transaction=True)
def test_it_is_asked_in_a_snapshot_that_blocks_nobody() -> None:
    make_run(state="finished")

    assert check(QUESTIONS) == []
    assert getattr(connection, "transaction_mode", "IMMEDIATE") == "IMMEDIATE"


def test_what_still_waits_is_broken_only_at_rest() -> None:
    processor = a_sound_history()
    make_record(processor)

    found = broken(AT_REST)

    assert f"I15 run 2 of {processor.slug}: is running" in found
    assert f"I1 processor {processor.slug}: has 1 records that are due" in found


# Records


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite cannot drop the constraint")
def test_a_key_that_is_there_twice() -> None:
    run_sql("ALTER TABLE processors_record DROP CONSTRAINT record_key_once")
    record = make_record(key="A-1")
    make_record(record.processor, key="A-1")

    found = broken()

    assert found[0].startswith("I1 processors_record: the constraint record_key_once is missing")
    assert found[1] == f"I1 key A-1 of processor {record.processor_id}: is there 2 times"


@pytest.mark.parametrize("lane", ["idle", "gone", "another's", "none"])
def test_a_record_in_a_lane_that_no_claim_asks(lane: str) -> None:
    processor = make_processor(rate_limits=["5/min by customer"])
    found = make_lane(processor, waiting=1)
    record = Record.objects.get()
    assert broken() == []
    if lane == "idle":
        Lane.objects.update(waits=False)
    elif lane == "gone":
        found.delete()
    elif lane == "another's":
        Lane.objects.update(processor=make_processor())
    else:
        Record.objects.update(lane=None)

    [found_out] = broken()

    assert found_out.startswith(f"I1 record {record.pk} ({record.key}) of processor ")
    assert found_out.endswith("waits for a limit of its key, in no lane that a claim would ask")


@pytest.mark.parametrize("state", ["closed", "gone"])
def test_a_record_in_hand_of_a_batch_that_is_not_open(state: str) -> None:
    batch = make_claimed(make_run())
    record = Record.objects.get()
    if state == "gone":
        batch.delete()
    else:
        columns = {"closed_at": now(), "released": 1, "remaining": []}
        Batch.objects.update(state="closed", **columns)

    [found] = broken()

    assert found.startswith(f"I4 record {record.pk} ({record.key}): is in hand of batch ")
    assert found.endswith(f"which is {state}")


@pytest.mark.usefixtures("without_checks")
def test_a_record_in_hand_of_no_batch() -> None:
    record = make_record(state="claimed")

    assert broken() == [f"I4 record {record.pk} ({record.key}): is in hand of no batch"]


def test_a_batch_that_lists_what_it_does_not_hold() -> None:
    batch = make_claimed(make_run(), 2)
    lost = Record.objects.earliest("pk")
    Record.objects.filter(pk=lost.pk).update(state="ready", batch=None)

    assert broken() == [f"I4 batch {batch.pk}: lists record {lost.pk}, which it has not in hand"]


def test_a_record_that_its_batch_does_not_list() -> None:
    batch = make_claimed(make_run())
    record = make_record(batch.run.processor, state="claimed", batch=batch)

    assert broken() == [
        f"I4 record {record.pk} ({record.key}): is not an open key of batch {batch.pk}"
    ]


def test_a_remembered_record_of_a_table_that_its_batch_does_not_list() -> None:
    run = make_run(a_table_processor())
    batch = make_batch(run, keys=[1, 2])
    make_record(run.processor, key="1", state="claimed", batch=batch)
    record = make_record(run.processor, key="7", state="claimed", batch=batch)

    assert broken() == [f"I4 record {record.pk} (7): is not an open key of batch {batch.pk}"]


def test_a_record_that_ended_too_many_workers() -> None:
    batch = make_batch(make_run(), crashed=1, claimed=1)
    record = make_record(batch.run.processor, crashes=4)
    make_attempt(record, batch, outcome="crashed")

    assert broken() == [
        (
            f"I14 record {record.pk} ({record.key}): was in hand of 4 lost workers, at most 3 are "
            "allowed"
        )
    ]


def test_an_outcome_that_a_table_elsewhere_has_not_heard() -> None:
    processor = a_table_processor(database="shop")
    silent = timedelta(seconds=3 * settings.LEASE_SECONDS)
    late = make_record(processor, state="done", synced=False, settled_at=now() - silent)
    make_record(processor, state="done", synced=False)

    assert broken() == [
        (
            f"I15 record {late.pk} ({late.key}): is done, which the table of {processor.slug} has "
            "not heard"
        )
    ]
    assert len(broken(AT_REST)) == 3


# The user's tables


def test_a_row_that_nobody_has_in_hand() -> None:
    processor = a_table_processor(5)
    run_sql("UPDATE customer_order SET status = 'TAKEN'")
    run = make_run(processor)
    make_batch(run, keys=[1, 2], remaining=[2], done=1)
    for key, state in (("3", "ready"), ("4", "dead"), ("5", "done")):
        make_record(processor, key=key, state=state)

    assert broken() == [
        f"I1 row {key} of customer_order: is TAKEN, but {processor.slug} has it not in hand"
        for key in (1, 5)
    ]


def test_processors_may_share_a_table_and_its_words() -> None:
    first = a_table_processor(2)
    second = a_table_processor(words={**first.source["words"], "new": "FRESH"})
    run_sql("UPDATE customer_order SET status = 'TAKEN'")
    make_batch(make_run(first), keys=[1])
    make_batch(make_run(second), keys=[2])

    assert broken() == []


def test_a_table_that_cannot_be_read_is_named() -> None:
    processor = a_table_processor()
    run_sql("DROP TABLE customer_order")

    [found] = broken()

    assert found.startswith(f"I1 table customer_order ({processor.slug}): cannot be read: ")


# Batches


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


# Runs


def test_a_run_that_counts_something_else_than_its_batches() -> None:
    run = make_run(state="finished", done=5)
    make_batch(run, state="closed", done=3)
    make_batch(run, state="closed", done=1)

    assert broken() == [
        (
            f"I5 run 1 of {run.processor.slug}: counts 5 claimed but its batches 4, 5 done but its "
            "batches 4"
        )
    ]


def test_two_active_runs() -> None:
    without_index("run_one_active")
    processor = make_processor()
    make_run(processor)
    make_run(processor)

    assert broken() == [f"I6 processor {processor.slug}: has 2 active runs"]


def test_a_number_that_is_missing() -> None:
    processor = make_processor()
    for seq in (1, 2, 5):
        make_run(processor, state="finished", seq=seq)

    assert broken() == [f"I6 run 5 of {processor.slug}: follows run 2: those between are missing"]


def test_numbers_that_retention_removed_are_not_missed() -> None:
    processor = make_processor()
    make_run(processor, state="finished", seq=3, started_at=now() - LONG_AGO)
    make_run(processor, state="finished", seq=9)

    assert broken(whole_history=True) == []


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite cannot drop the constraint")
def test_a_number_that_is_there_twice() -> None:
    run_sql("ALTER TABLE processors_run DROP CONSTRAINT run_seq_once")
    processor = make_processor()
    make_run(processor, state="finished", seq=1)
    make_run(processor, state="finished", seq=1)

    assert broken() == [f"I6 run 1 of {processor.slug}: is there 2 times"]


def test_a_processor_that_forgot_its_last_number() -> None:
    run = make_run(state="finished", seq=3)
    Processor.objects.update(last_seq=2)

    assert broken() == [f"I6 processor {run.processor.slug}: remembers 2 runs, its last is 3"]


def test_a_set_time_with_two_runs() -> None:
    without_index("run_slot_once")
    processor, slot = make_processor(), now()
    make_run(processor, state="finished", slot=slot)
    make_run(processor, state="finished", slot=slot)

    [found] = broken()

    assert found.startswith(f"I10 processor {processor.slug}: has 2 runs for ")


def two_runs(seconds_between: float, **second: Any) -> Processor:
    """Of a processor that pauses for a minute and was made an hour ago."""
    processor = make_processor(trigger_kind="interval", pause_seconds=60)
    hour_ago = now() - timedelta(hours=1)
    Processor.objects.update(changed_at=hour_ago)
    first = make_run(processor, state="finished", trigger="schedule", started_at=hour_ago)
    assert first.ended_at is not None
    started_at = first.ended_at + timedelta(seconds=seconds_between)
    columns = {"trigger": "schedule", "started_at": started_at, **second}
    make_run(processor, state="finished", **columns)
    return processor


def test_a_run_that_began_before_the_pause_was_over() -> None:
    processor = two_runs(seconds_between=59)

    assert broken() == [f"I11 run 2 of {processor.slug}: began less than 60 s after run 1"]


@pytest.mark.parametrize(
    ("seconds", "second"), [(60, {}), (5, {"trigger": "manual"}), (5, {"trigger": "retry"})]
)
def test_a_run_that_waited_or_was_not_due_is_no_breach(
    seconds: float, second: dict[str, Any]
) -> None:
    two_runs(seconds, **second)

    assert broken() == []


def test_a_processor_started_anew_need_not_wait() -> None:
    processor = two_runs(seconds_between=5)
    second = Run.objects.get(seq=2)
    make_event(processor, "start", at=second.started_at)

    assert broken() == []


def test_another_pause_than_then_is_no_breach() -> None:
    two_runs(seconds_between=5)
    Processor.objects.update(changed_at=now())

    assert broken() == []


def test_a_flood_of_breaches_is_cut_off() -> None:
    for _ in range(120):
        make_processor(last_seq=1)

    found = broken()

    assert len(found) == 101
    assert found[-1] == "I6 …: and more than these 100"
