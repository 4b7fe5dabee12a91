"""Failed records by error: what is counted, where it leads, who may act."""

from datetime import timedelta

import pytest
from django.test import Client

from processors import failures
from processors.clock import database_now
from processors.models import Attempt, Processor, Record
from tests.admin.conftest import VIEWS, SignIn, a_failed_record, a_processor, a_run
from tests.admin.failures.conftest import KEY_ERROR, html_of, keys_in

pytestmark = pytest.mark.django_db


def test_a_record_leads_to_the_last_run_that_tried_it(
    admin: Client, processor: Processor, failed: list[Record]
) -> None:
    later = a_run(processor, 7)
    Attempt.objects.filter(record=failed[0]).update(run=later)

    rows = html_of(admin, state="attention").split("<tr")
    [row] = [row for row in rows if "INV-1" in row]

    assert f'href="{later.get_absolute_url()}">#7</a>' in row
    assert f"run={later.pk}" in row  # and narrows the list to it


def test_failures_are_grouped_by_error_with_when_they_happened(failed: list[Record]) -> None:
    first, second = failures.groups(Record.objects.all(), database_now())

    assert (first.error_type, first.count, first.hour, first.day, first.week) == (
        "KeyError", 3, 1, 2, 3,
    )  # fmt: skip
    assert first.sample_key == "INV-3"
    assert first.last_at - first.first_at > timedelta(hours=99)
    assert (second.error_type, second.count) == ("TimeoutError", 1)
    assert second.message == "no answer within # s"


def test_the_same_error_of_two_processors_is_two_groups(failed: list[Record]) -> None:
    other = a_processor("other")
    a_failed_record(other, a_run(other), fingerprint=KEY_ERROR)

    found = failures.groups(Record.objects.all(), database_now())

    assert sorted(one.count for one in found) == [1, 1, 3]


def test_the_page_opens_with_the_errors_and_links_each_number(
    admin: Client, failed: list[Record], processor: Processor
) -> None:
    html = html_of(admin)

    link = f"?state=attention&amp;processor={processor.pk}&amp;error={KEY_ERROR}&amp;failed=24h"
    assert link in html
    assert "Retry all" in html
    assert keys_in(html_of(admin, state="attention", error=KEY_ERROR, failed="24h")) == [
        "INV-1", "INV-2",
    ]  # fmt: skip


def test_who_may_not_act_is_offered_no_act(sign_in: SignIn, failed: list[Record]) -> None:
    for given in ({}, {"state": "attention"}):
        html = html_of(sign_in(*VIEWS), **given)

        assert "Retry" not in html.replace("Retrying", "")
        assert "Discard all" not in html
