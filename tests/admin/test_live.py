"""A poll gets the regions of a page, or a 304, and nothing else."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from processors.admin.live import fingerprint
from processors.models import Batch
from tests.admin.conftest import SignIn, a_batch, a_failed_record, a_processor, a_run, an_active_run

pytestmark = pytest.mark.django_db

POLL = {"X-Live": "1"}
LARGEST = 20_000  # bytes


def poll(client: Client, url: str, **headers: str) -> Any:
    return client.get(url, headers={**POLL, **headers})


def live_pages(history: dict[str, Any]) -> list[str]:
    return [
        reverse("admin:index"),
        history["processor"].get_absolute_url(),
        history["active"].get_absolute_url(),
        reverse("admin:processors_processor_changelist"),
        reverse("admin:processors_run_changelist"),
    ]


def test_a_poll_holds_regions_alone(admin: Client, history: dict[str, Any]) -> None:
    for url in live_pages(history):
        html = poll(admin, url).content.decode()

        assert html.startswith("<"), url
        assert "<html" not in html, url
        assert "<header" not in html, url
        assert "csrfmiddlewaretoken" not in html, url
        assert len(html) < LARGEST, url


def test_every_region_of_a_poll_is_on_the_page(admin: Client, history: dict[str, Any]) -> None:
    for url in live_pages(history):
        page = admin.get(url).content.decode()
        keys = re.findall(r'data-live="([^"]+)"', poll(admin, url).content.decode())

        assert keys, url
        for key in keys:
            assert f'data-live="{key}"' in page, (url, key)


def test_a_poll_that_finds_nothing_new_is_a_304(admin: Client, history: dict[str, Any]) -> None:
    for url in live_pages(history):
        first = poll(admin, url)
        second = poll(admin, url, **{"If-None-Match": first["ETag"]})

        assert (second.status_code, second.content) == (304, b""), url


def test_a_poll_that_finds_something_new_is_answered(
    admin: Client, history: dict[str, Any]
) -> None:
    url = history["active"].get_absolute_url()
    known = poll(admin, url)["ETag"]
    Batch.objects.filter(run=history["active"]).update(done=4)

    answer = poll(admin, url, **{"If-None-Match": known})

    assert answer.status_code == 200
    assert "4 of 10" in answer.content.decode()


def test_a_run_that_has_ended_ends_the_polling(admin: Client, history: dict[str, Any]) -> None:
    assert poll(admin, history["run"].get_absolute_url())["X-Live-Next"] == "0"
    assert poll(admin, history["active"].get_absolute_url())["X-Live-Next"] == "2000"


def test_a_poll_says_the_same_as_the_page(admin: Client, history: dict[str, Any]) -> None:
    for seq in range(3, 6):
        a_failed_record(history["processor"], a_run(history["processor"], seq), f"B-{seq}")
    url = history["run"].get_absolute_url()

    for region in re.findall(r'data-live="[^"]+" [^>]*data-hash="\w+"', admin.get(url).text):
        assert region in poll(admin, url).text


def test_a_run_that_has_just_ended_sends_what_polls_leave_out(
    admin: Client, history: dict[str, Any]
) -> None:
    ended = poll(admin, history["run"].get_absolute_url()).content.decode()
    active = poll(admin, history["active"].get_absolute_url()).content.decode()

    assert 'data-live="workers"' in ended
    assert 'data-live="workers"' not in active


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


def test_who_was_signed_out_is_sent_to_the_sign_in_page(history: dict[str, Any]) -> None:
    answer = poll(Client(), reverse("admin:index"))

    assert answer.status_code == 302
    assert "/login/" in answer["Location"]


def test_a_poll_needs_the_rights_of_the_page(sign_in: SignIn, history: dict[str, Any]) -> None:
    stranger = sign_in()

    assert poll(stranger, history["active"].get_absolute_url()).status_code == 403
    assert "Running now" not in poll(stranger, reverse("admin:index")).content.decode()


@pytest.mark.parametrize(
    ("first", "second", "is_same"),
    [
        ("<time a>1 s ago</time>", "<time a>2 s ago</time>", True),
        ("<time a>1 s ago</time>", "<time b>1 s ago</time>", False),
        (f'value="7:{"0" * 36}"', f'value="7:{"a" * 36}"', True),
        (f'value="7:{"0" * 36}"', f'value="8:{"0" * 36}"', False),
        ("5 of 10", "6 of 10", False),
    ],
)
def test_ticking_times_and_names_of_clicks_are_no_news(
    first: str, second: str, is_same: bool
) -> None:
    assert (fingerprint(first, {}) == fingerprint(second, {})) is is_same


def test_live_pages_cost_the_same_with_more_history(admin: Client, history: dict[str, Any]) -> None:
    urls = live_pages(history)
    few = [queries_of(admin, url) for url in urls]
    for number in range(5):
        other = a_processor(f"other-{number}")
        a_failed_record(other, a_run(other, 1, dead=1, claimed=1), f"B-{number}")
        a_batch(an_active_run(other, 2), claimed=2, done=1)
        a_run(history["processor"], 10 + number)
    many = [queries_of(admin, url) for url in urls]

    for url, before, after in zip(urls, few, many, strict=True):
        # Backlogs of a list are counted a few at a time, each in a savepoint here.
        spare = 15 if url.endswith("/processor/") else 1
        assert after <= before + spare, url
        assert after <= 30, url


def queries_of(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        poll(client, url)
    return len(queries)
