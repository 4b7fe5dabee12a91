"""Broken invariants of records and of rows in the user's tables, each named with its row."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils.timezone import now

from processors.ledger_check import AT_REST
from processors.models import Batch, Lane, Record
from tests.bootstrap import TEST_DATABASE
from tests.factories import (
    make_attempt,
    make_batch,
    make_claimed,
    make_lane,
    make_processor,
    make_record,
    make_run,
)
from tests.ledger_check.conftest import a_table_processor, broken, run_sql

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


@pytest.mark.skipif(TEST_DATABASE == "sqlite", reason="SQLite cannot drop the constraint")
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
