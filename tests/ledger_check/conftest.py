"""Asking for breaches, and putting aside what would keep them from being made (FAULTS 4.1)."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from processors.ledger_check import QUESTIONS, check
from processors.models import Processor
from tests.factories import (
    make_processor,
    make_table_source,
)

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


def a_table_processor(rows: int = 0, **source: Any) -> Processor:
    return make_processor(source=make_table_source(rows, **source), trigger_kind="interval")
