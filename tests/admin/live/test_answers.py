"""A poll gets the regions of a page that say something else, or a 304, and nothing more."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from processors.admin import live
from processors.admin.live import LARGEST, fingerprint
from processors.models import Attempt, Batch, Record
from tests.admin.conftest import SignIn, a_batch, a_failed_record, a_run
from tests.admin.live.conftest import live_pages, poll, poll_as_seen

pytestmark = pytest.mark.django_db


def test_a_poll_holds_regions_alone(admin: Client, history: dict[str, Any]) -> None:
    for url in live_pages(history):
        html = poll(admin, url).text

        assert html.startswith("<template><"), url
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


@pytest.mark.usefixtures("still_clock", "remembered")
def test_a_poll_that_finds_nothing_new_is_a_304(admin: Client, history: dict[str, Any]) -> None:
    for url in live_pages(history)[:-1]:  # how fast Redis answers is new each time
        page = admin.get(url).text

        answer = poll_as_seen(admin, url, page)

        assert (answer.status_code, answer.content) == (304, b""), url


@pytest.mark.usefixtures("still_clock", "remembered")
def test_a_page_that_knows_its_state_is_a_304_before_it_is_drawn(
    admin: Client, history: dict[str, Any]
) -> None:
    for url in live_pages(history)[5:7]:
        known = poll_as_seen(admin, url, admin.get(url).text)
        with CaptureQueriesContext(connection) as queries:
            answer = poll(admin, url, **{"If-None-Match": known["ETag"]})

        assert answer.status_code == 304, url
        assert answer["X-Live-Next"] == known["X-Live-Next"]
        assert len(queries) <= 12, url


@pytest.mark.parametrize("changed", ["state", "attempt", "other"])
def test_a_record_that_changed_is_drawn_anew(
    admin: Client, history: dict[str, Any], changed: str
) -> None:
    record = history["record"]
    url = reverse("admin:processors_record_change", args=[record.pk])
    page = admin.get(url).text
    known = poll_as_seen(admin, url, page)["ETag"]

    if changed == "state":
        Record.objects.filter(pk=record.pk).update(state="done")
    elif changed == "attempt":
        attempt = Attempt.objects.get()
        attempt.pk, attempt.number = None, 6
        attempt.batch = a_batch(history["active"], slot=7)
        attempt.save()
    else:
        a_failed_record(history["processor"], history["run"], "A-2")
    answer = poll_as_seen(admin, url, page, **{"If-None-Match": known})

    assert answer.status_code == 200
    assert answer["ETag"] != known


def test_only_what_changed_is_sent(admin: Client, history: dict[str, Any]) -> None:
    url = history["active"].get_absolute_url()
    page = admin.get(url).text
    Batch.objects.filter(run=history["active"]).update(done=4)

    html = poll_as_seen(admin, url, page).text

    assert "4 of 10" in html
    assert 'data-live="facts"' in html
    assert 'data-live="failures"' not in html


@pytest.mark.usefixtures("still_clock", "remembered")
def test_what_does_not_fit_into_one_answer_comes_with_the_next(
    admin: Client, history: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LARGEST", 1)
    url = history["active"].get_absolute_url()
    page = re.sub(r'data-hash="\w+"', "", admin.get(url).text)
    keys: list[str] = []

    while keys.count("facts") < 1:
        html = poll_as_seen(admin, url, page).text
        found = re.findall(r'data-live="([^"]+)"', html)
        assert len(found) == 1
        keys += found
        page += html

    assert len(set(keys)) == len(keys) > 1


def test_a_poll_says_the_same_as_the_page(admin: Client, history: dict[str, Any]) -> None:
    for seq in range(3, 6):
        a_failed_record(history["processor"], a_run(history["processor"], seq), f"B-{seq}")
    url = history["run"].get_absolute_url()

    for region in re.findall(r'data-live="[^"]+" [^>]*data-hash="\w+"', admin.get(url).text):
        assert region in poll(admin, url).text


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
