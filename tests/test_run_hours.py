"""Runs are counted by the hour they ended in, for charts that no page could draw from the runs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from processors.models import Processor, RunHour
from tests.factories import make_processor, make_run

pytestmark = pytest.mark.django_db

AT = datetime(2026, 3, 1, 10, 20, tzinfo=UTC)


def count(processor: Processor, *, ended_at: datetime = AT, **columns: Any) -> None:
    RunHour.count(make_run(processor, started_at=AT, ended_at=ended_at, **columns))


def test_runs_of_one_hour_are_one_row() -> None:
    processor = make_processor()

    count(processor, state="finished", done=5)
    count(processor, state="finished", done=3, dead=1, parked=1)
    count(processor, state="failed")
    count(processor, state="stopped", done=1, retried=3)

    row = RunHour.objects.get()
    assert row.hour == AT.replace(minute=0)
    assert (row.succeeded, row.with_failures, row.failed, row.stopped) == (1, 1, 1, 1)
    assert (row.records, row.failed_records) == (11, 2)


def test_each_hour_and_processor_has_a_row_of_its_own() -> None:
    processor = make_processor()

    count(processor, state="finished")
    count(processor, state="finished", ended_at=AT + timedelta(hours=1))
    count(make_processor(), state="finished")

    assert RunHour.objects.count() == 3
