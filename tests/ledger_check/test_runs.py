"""Broken invariants of runs: counters, numbers, set times and pauses, each named with its row."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils.timezone import now

from processors.models import Processor, Run
from tests.bootstrap import TEST_DATABASE
from tests.factories import (
    make_batch,
    make_event,
    make_processor,
    make_run,
)
from tests.ledger_check.conftest import LONG_AGO, broken, run_sql, without_index

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


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


@pytest.mark.skipif(TEST_DATABASE == "sqlite", reason="SQLite cannot drop the constraint")
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
