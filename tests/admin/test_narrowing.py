"""A value in a cell narrows the list to the rows that say the same, beside what is on already."""

import re
from typing import Any

import pytest
from django.test import Client

from tests.admin.conftest import a_failed_record, a_processor, a_run

pytestmark = pytest.mark.django_db


def narrowing(client: Client, model: str, **given: str) -> list[str]:
    html = client.get(f"/admin/processors/{model}/", given).content.decode()
    return [
        url.replace("&amp;", "&") for url in re.findall(r'class="narrows" href="([^"]+)"', html)
    ]


def test_a_cell_of_a_run_narrows_to_its_processor_and_cause(admin: Client) -> None:
    processor = a_processor()
    a_run(processor, 1)
    a_run(a_processor("letters"), 2, trigger="retry")

    url = f"?processor={processor.pk}&since=7"

    assert url in narrowing(admin, "run", since="7")
    narrowed = admin.get(f"/admin/processors/run/{url}").context_data or {}
    assert [run.seq for run in narrowed["cl"].result_list] == [1]
    assert "?trigger=retry" in narrowing(admin, "run")


def test_what_is_on_already_is_not_offered(admin: Client) -> None:
    processor = a_processor()
    a_run(processor, 1)

    assert narrowing(admin, "run", processor=str(processor.pk), trigger="manual") == []


def test_lists_of_records_attempts_and_events_narrow_too(
    admin: Client, history: dict[str, Any]
) -> None:
    pk = history["processor"].pk

    assert f"?error={'f' * 32}&state=attention" in narrowing(admin, "record", state="attention")
    assert f"?run={history['run'].pk}" in narrowing(admin, "attempt")
    assert "?outcome=dead" in narrowing(admin, "attempt")
    assert {f"?processor={pk}", "?action_is=start"} <= set(narrowing(admin, "event"))


def test_a_name_in_a_link_that_narrows_is_text(admin: Client) -> None:
    processor = a_processor(name='"><script>')
    a_failed_record(processor, a_run(processor))

    assert '"><script>' not in admin.get("/admin/processors/record/?state=all").content.decode()
