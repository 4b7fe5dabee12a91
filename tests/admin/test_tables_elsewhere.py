"""What pages say of a table elsewhere: that it can't be read, and what it was not told."""

from datetime import timedelta
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from processors.circumstances import Known
from processors.clock import database_now
from processors.explain import whys
from processors.models import Processor
from processors.queues.wakeups import QueueState
from tests.admin.conftest import a_processor, an_active_run
from tests.factories import make_processor, make_record, make_table_source

pytestmark = pytest.mark.django_db(databases=["default", "shop"])

AWAY = "'erp' is not known here: set DATABASE_URL_ERP."


def a_processor_cut_off() -> Processor:
    source = make_table_source(1) | {"database": "erp"}
    soon = database_now() + timedelta(minutes=5)
    return make_processor("rows", source=source, state="started", next_due_at=soon)


def test_a_table_that_cannot_be_read_is_the_reason_why_nothing_begins(admin: Client) -> None:
    processor = a_processor_cut_off()

    page = admin.get(processor.get_absolute_url())
    listed = admin.get(reverse("admin:processors_processor_changelist"))
    overview = admin.get(reverse("admin:index"))

    for answer in (page, listed, overview):
        assert f"No cycle can begin: {AWAY}" in unescape(answer.text)


def test_a_table_that_is_gone_is_told_before_the_machine_meets_it(admin: Client) -> None:
    source = make_table_source(1) | {"table": "gone"}
    soon = database_now() + timedelta(minutes=5)
    processor = make_processor("rows", source=source, state="started", next_due_at=soon)

    page = unescape(admin.get(processor.get_absolute_url()).text)

    assert "No cycle can begin: table 'gone' in 'default' is not as it was" in page


def test_a_run_waits_for_its_table_and_not_for_a_worker() -> None:
    processor, now = a_processor("rows", state="started"), database_now()
    an_active_run(processor, started_at=now - timedelta(minutes=1))

    def idle(name: str) -> QueueState:
        return QueueState(name, waiting=0, workers=2)

    told = whys([processor], now, idle, Known(troubles={processor.pk: AWAY}))[processor.pk]

    assert told == f"Run 9 waits for its table: {AWAY}"


def test_outcomes_count_as_untold_when_a_tick_should_have_told_them(admin: Client) -> None:
    processor = make_processor("rows", source=make_table_source(1, database="shop"))
    record = make_record(processor, state="done", synced=False)
    address = processor.get_absolute_url()

    assert "not told yet" not in admin.get(address).text

    record.settled_at = timezone.now() - timedelta(minutes=5)
    record.save()

    assert "1 outcome not told yet" in admin.get(address).text


def test_what_the_source_would_give_says_as_of_when(admin: Client) -> None:
    processor = make_processor("rows", source=make_table_source(1))

    page = admin.get(processor.get_absolute_url()).text

    assert 'would give next <span class="quiet">as of ' in page
