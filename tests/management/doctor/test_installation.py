"""`doctor` on processors, schedulers and work that nobody takes care of."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from processors.models import Installation
from tests.conftest import StartWorker
from tests.factories import make_batch, make_processor, make_record, make_run, make_table_source
from tests.management.conftest import Call, Refuse
from tests.management.doctor.conftest import findings

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


def test_a_sound_installation_has_nothing_wrong(call: Call) -> None:
    make_processor("orders")
    make_processor("rows", source=make_table_source(1))

    assert call("doctor") == "Nothing is wrong."


def test_a_dead_scheduler_is_an_error(refuse: Refuse) -> None:
    Installation.objects.update(scheduler_seen_at=now() - timedelta(minutes=5))

    [found] = findings()

    assert (found.level, found.where) == ("error", "scheduler")
    assert "None has been seen since" in found.what
    assert found.mend == "Start `manage.py rqscheduler`."
    assert refuse("doctor") == "1 error found."


def test_a_used_queue_without_a_worker_is_an_error(refuse: Refuse) -> None:
    make_processor("orders", state="started", queue="high")

    [found] = findings("queue 'high'")

    assert "orders" in found.what
    assert found.mend == "Start `manage.py rqworker high`."
    assert refuse("doctor") == "1 error found."


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_that_listens_is_seen(start_worker: StartWorker) -> None:
    make_processor(state="started", queue="high")
    start_worker("high")

    assert findings("queue") == []


def test_an_unknown_handler_is_named() -> None:
    make_processor("orders", handler="gone.send")

    [found] = findings("processor 'orders'")

    assert "'gone.send'" in found.what
    assert found.level == "warning"


def test_a_table_that_was_dropped_is_named() -> None:
    make_processor("rows", source=make_table_source() | {"table": "customer_orders"})

    [found] = findings("processor 'rows'")

    assert found.where.endswith("source.table")


def test_a_fault_is_told_with_the_way_out() -> None:
    make_processor("orders", fault_reason="Too many failures.")

    [found] = findings("processor 'orders'")

    assert "Too many failures." in found.what
    assert "clear-fault orders" in found.mend


def test_work_that_nobody_takes_care_of_is_told() -> None:
    long_ago = now() - timedelta(hours=1)
    make_processor("late", state="started", next_due_at=long_ago)
    make_batch(make_run(make_processor("lost")), lease_until=long_ago)

    assert "has not begun" in findings("processor 'late'")[0].what
    assert "silent" in findings("of lost")[0].what


def test_outcomes_that_another_database_has_not_heard_are_told() -> None:
    processor = make_processor("rows", source=make_table_source(1, database="shop"))
    long_ago = now() - timedelta(hours=1)
    make_record(processor, state="done", synced=False, settled_at=long_ago)

    [found] = findings("processor 'rows'")

    assert found.what == "Its table in 'shop' has not heard the outcome of 1 records."
