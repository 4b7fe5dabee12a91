"""Lists find their rows by an index, whatever the statistics say; polls stay small."""

from copy import copy
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from processors.admin import looks
from processors.models import Processor, Run
from tests.admin.conftest import a_batch, a_failed_record, a_processor, a_run, an_active_run

pytestmark = pytest.mark.django_db

RUNS = "/admin/processors/run/"
POLL = {"X-Live": "1"}
QUERIES = 30


def only_by_index() -> None:
    """Walking a table, or sorting what was found, is what this session avoids if it can."""
    if connection.vendor != "postgresql":
        pytest.skip("the plans of Postgres")
    with connection.cursor() as cursor:
        for way in ("seqscan", "bitmapscan", "sort"):
            cursor.execute(f"SET LOCAL enable_{way} = off")


def plan_of(sql: str, params: tuple[Any, ...]) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}", params)
        return "\n".join(line for (line,) in cursor.fetchall())


def many_runs(of_each: int) -> list[Processor]:
    """Enough for the database to know what a walk would cost, and told that they are there."""
    processors = [a_processor(f"orders-{number}") for number in range(3)]
    for processor in processors:
        last = a_run(processor, of_each)
        others = [copy(last) for _ in range(1, of_each)]
        for seq, run in enumerate(others, start=1):
            run.pk, run.seq = None, seq
        Run.objects.bulk_create(others)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE processors_run")
    return processors


def test_the_runs_of_a_processor_come_in_the_order_of_their_index(admin: Client) -> None:
    processor, *_others = many_runs(of_each=200)
    only_by_index()

    context = admin.get(RUNS, {"processor": str(processor.pk)}).context_data or {}

    plan = context["cl"].queryset[:50].explain()
    assert "run_of_processor" in plan
    assert "Sort" not in plan


def test_a_run_is_found_by_its_number(admin: Client) -> None:
    processor = a_processor()
    for seq in (16, 17, 18):
        a_run(processor, seq)
    only_by_index()

    context = admin.get(RUNS, {"q": "#17"}).context_data or {}

    assert "run_seq_once" in context["cl"].queryset.order_by().explain()
    assert [run.seq for run in context["cl"].queryset] == [17]


def test_the_last_runs_of_many_processors_are_found_by_their_numbers() -> None:
    processors = many_runs(of_each=500)

    with CaptureQueriesContext(connection) as asked:
        found = looks.last_runs(processors, 2)

    assert [[run.seq for run in found[one.pk]] for one in processors] == [[499, 500]] * 3
    assert len(asked) == 1
    if connection.vendor == "postgresql":
        plan = plan_of(asked[0]["sql"], ())
        assert "run_seq_once" in plan
        assert "Seq Scan" not in plan


@pytest.mark.parametrize("of", ["run", "processor"])
def test_a_poll_of_a_page_costs_few_queries_and_bytes(admin: Client, of: str) -> None:
    processor = a_processor()
    run = an_active_run(processor)
    for number in range(20):
        batch = a_batch(run, state="closed", slot=number, closed_at=run.started_at)
        a_failed_record(processor, run, key=f"A-{number}", batch=batch)
    url = {"run": run.get_absolute_url(), "processor": processor.get_absolute_url()}[of]

    with CaptureQueriesContext(connection) as asked:
        response = admin.get(url, headers=POLL)

    assert len(asked) <= QUERIES
    assert len(response.content) <= 20_000
