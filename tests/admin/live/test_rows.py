"""Lists and tables: rows in sight, rows that are new, rows that came and went."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from processors.clock import database_now
from processors.models import Record, Run
from tests.admin.conftest import a_batch, a_failed_record, a_processor, a_run
from tests.admin.live.conftest import poll, poll_as_seen

pytestmark = pytest.mark.django_db


def test_only_rows_in_sight_are_looked_at(admin: Client, history: dict[str, Any]) -> None:
    other = a_processor("other")
    url = reverse("admin:processors_processor_changelist")

    html = poll(admin, url, **{"X-Live-Rows": f"state-{other.pk}"}).text

    assert f'data-live="state-{other.pk}"' in html
    assert f'data-live="state-{history["processor"].pk}"' not in html
    assert poll(admin, url, **{"X-Live-Rows": "x,9" + "9" * 40}).status_code == 200


def test_kinds_of_error_come_and_go_without_moving_the_others(
    admin: Client, history: dict[str, Any]
) -> None:
    url, first = reverse("admin:processors_record_changelist"), history["record"]
    page = re.sub(r'data-newest="\d+"', "", admin.get(url).text)
    name = f"{first.processor_id}.{first.fingerprint}"
    assert f'data-live="group-{name}"' in page

    Record.objects.filter(pk=first.pk).update(state="done")
    a_failed_record(history["processor"], history["run"], "B-1", fingerprint="e" * 32)
    html = poll_as_seen(admin, url, page, **{"X-Newest": "1"}).text

    assert f'data-gone="group-{name}"' in html
    assert 'data-news="1"' in html
    assert "B-1" not in html


def test_a_list_tells_of_newer_rows_instead_of_adding_them(
    admin: Client, history: dict[str, Any]
) -> None:
    url = reverse("admin:processors_run_changelist")
    page = admin.get(url).content.decode()
    newest = re.search(r'data-newest="(\d+)"', page)
    assert newest is not None

    a_run(history["processor"], 3)
    a_run(history["processor"], 4)
    html = poll(admin, url, **{"X-Newest": newest[1]}).content.decode()

    assert 'data-news="2"' in html
    assert "+2 new" in html


def test_a_second_page_does_not_announce_newer_rows(admin: Client, history: dict[str, Any]) -> None:
    for seq in range(3, 60):
        a_run(history["processor"], seq)

    page = admin.get(reverse("admin:processors_run_changelist"), {"p": 2}).content.decode()

    assert "data-newest" not in page


def test_a_table_of_runs_is_drawn_again_when_a_run_ends(
    admin: Client, history: dict[str, Any]
) -> None:
    url = history["processor"].get_absolute_url()
    Run.objects.filter(pk=history["active"].pk).update(ended_at=database_now(), state="finished")
    page = admin.get(url).text
    quiet = poll_as_seen(admin, url, page).text

    a_run(history["processor"], 3)
    html = poll_as_seen(admin, url, page).text
    html += poll_as_seen(admin, url, page + html).text  # the first may be another card's turn

    assert 'data-live="runs"' not in quiet
    assert 'data-live="runs"' in html


def test_of_a_table_of_runs_the_active_one_alone_is_drawn_again(
    admin: Client, history: dict[str, Any]
) -> None:
    url, active = history["processor"].get_absolute_url(), history["active"]
    page = admin.get(url).text

    a_batch(active, slot=1, done=7)
    html = poll_as_seen(admin, url, page).text

    assert f'data-live="run-{active.pk}"' in html
    assert html.count("<tr") == 1
