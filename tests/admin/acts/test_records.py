"""Failed records are retried or discarded, one by one and many at once."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from processors.models import Event, Record, Run
from tests.admin.acts.conftest import RECORDS, bulk
from tests.admin.conftest import a_failed_record, a_processor, a_run, said

pytestmark = pytest.mark.django_db


def answer_question(client: Client, asked: Any, what: str, **more: str) -> Any:
    """Confirm what a page asked."""
    found = re.search(r'name="selection" value="([^"]+)"', asked.content.decode())
    assert found, asked.content.decode()
    data = {"selection": found[1], "confirmed": "1", **more}
    return client.post(reverse("admin:processors_record_many", args=[what]), data)


@pytest.mark.parametrize(("action", "after"), [("retry", "ready"), ("discard", "skipped")])
def test_records_are_treated_in_bulk_after_a_question(
    admin: Client, failed: Record, action: str, after: str
) -> None:
    asked = admin.post(reverse(RECORDS), bulk(action, failed))
    assert asked.status_code == 200
    assert "1 record " in asked.content.decode()
    assert Record.objects.get(pk=failed.pk).state == "dead"

    done = answer_question(admin, asked, action, reason="Mended")

    assert "1 record " in said(done)
    assert Record.objects.get(pk=failed.pk).state == after
    assert Event.objects.get(action=action).reason == "Mended"


def test_records_that_did_not_fail_are_left_alone_and_counted(
    admin: Client, failed: Record
) -> None:
    fine = a_failed_record(failed.processor, Run.objects.get(), "B-2", state="done")

    asked = admin.post(reverse(RECORDS) + "?state=all", bulk("retry", failed, fine))
    answer = answer_question(admin, asked, "retry")

    assert "1 chosen record has not failed" in asked.content.decode()
    assert "1 was not failed and was left alone." in said(answer)
    assert Record.objects.get(pk=fine.pk).state == "done"


@pytest.mark.parametrize(("what", "after"), [("retry", "ready"), ("discard", "skipped")])
def test_one_record_is_treated_from_its_page(
    admin: Client, failed: Record, what: str, after: str
) -> None:
    url = reverse(f"admin:processors_record_{what}", args=[failed.pk])

    assert admin.get(url).status_code == 405
    admin.post(url, {"reason": "Mended", "confirmed": "1"})
    again = admin.post(url, {})

    assert Record.objects.get(pk=failed.pk).state == after
    assert "only a failed record" in said(again)


def test_discarding_one_record_asks_first(admin: Client, failed: Record) -> None:
    url = reverse("admin:processors_record_discard", args=[failed.pk])

    asked = admin.post(url, {"reason": "Sent twice"})
    page = asked.content.decode()

    assert Record.objects.get(pk=failed.pk).state == "dead"
    assert f'action="{url}"' in page
    assert 'name="reason" value="Sent twice"' in page
    assert f"<h1>Discard {failed.key}</h1>" in page
    assert f">Discard {failed.key}</button>" in page


def test_retry_all_of_an_error_asks_first(admin: Client) -> None:
    processor = a_processor()
    record = a_failed_record(processor, a_run(processor))
    page = admin.get(processor.get_absolute_url()).content.decode()
    assert "Retry all 1" in page

    answer = admin.post(
        f"/admin/processors/record/?processor={processor.pk}&error={'f' * 32}",
        {"action": "retry_selected", "select_across": "1", "_selected_action": "0"},
    )

    record.refresh_from_db()
    assert record.state == "dead"
    assert record.key in answer.content.decode()
