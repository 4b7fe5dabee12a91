"""A sound ledger has no breach and is asked without blocking anybody; a flood is cut off."""

import pytest
from django.db import connection

from processors.ledger_check import AT_REST, QUESTIONS, check
from processors.models import Processor
from tests.factories import (
    make_attempt,
    make_batch,
    make_claimed,
    make_processor,
    make_record,
    make_run,
)
from tests.ledger_check.conftest import a_table_processor, broken, run_sql

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


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


def test_a_flood_of_breaches_is_cut_off() -> None:
    for _ in range(120):
        make_processor(last_seq=1)

    found = broken()

    assert len(found) == 101
    assert found[-1] == "I6 …: and more than these 100"
