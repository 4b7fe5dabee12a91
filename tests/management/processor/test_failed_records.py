"""`manage.py processor retry` and `discard`: all failed records, or some."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils.timezone import now

from processors.management.options import parse_time
from processors.models import Processor, Record
from tests.factories import make_attempt, make_batch, make_processor, make_record, make_run
from tests.management.conftest import Call, CallJson, Refuse

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


def three_dead(slug: str = "orders") -> Processor:
    processor = make_processor(slug)
    batch = make_batch(make_run(processor))
    for mark in ("one", "one", "two"):
        record = make_record(processor, state="dead", fingerprint=mark)
        make_attempt(record, batch, outcome="dead", fingerprint=mark)
    return processor


def test_a_dry_run_only_says_how_many(call_json: CallJson) -> None:
    three_dead()

    assert call_json("processor", "retry", "orders", "--dry-run") == {"retried": 3, "dry_run": True}
    assert Record.objects.filter(state="dead").count() == 3


def test_failed_records_of_one_kind_are_retried(call: Call) -> None:
    three_dead()

    said = call("processor", "retry", "orders", "--fingerprint", "one")

    assert said.startswith("2 failed records were retried. Start or run ")
    assert Record.objects.filter(state="ready").count() == 2


def test_old_failures_are_left_by_since(call: Call) -> None:
    processor = three_dead()
    make_record(processor, state="dead", settled_at=now() - timedelta(hours=3))

    assert call("processor", "discard", "orders", "--since", "2h").startswith("3 failed")
    assert Record.objects.filter(state="dead").count() == 1


def test_nothing_to_retry_is_no_error(call: Call) -> None:
    make_processor("orders")

    said = call("processor", "retry", "orders", "--dry-run")

    assert said == "0 failed records would be retried."


@pytest.mark.parametrize("text", ["yesterday", "2026-11-25T10:00:00", "2026-02-30", "h", "12"])
def test_a_time_that_cannot_be_read_is_refused(refuse: Refuse, text: str) -> None:
    make_processor("orders")

    assert refuse("processor", "retry", "orders", "--since", text, code=2).startswith("--since: ")


def test_since_takes_a_length_or_a_time() -> None:
    noon = datetime(2026, 11, 25, 12, tzinfo=UTC)

    assert parse_time("--since", "90s", noon) == noon - timedelta(seconds=90)
    assert parse_time("--since", "2026-11-25T11:00:00+01:00", noon) == noon - timedelta(hours=2)
