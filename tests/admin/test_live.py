"""A poll gets the regions of a page, or a 304, and nothing else."""

import re
import sys
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from processors.admin import frame, live, looks, slow_cards
from processors.admin.live import LARGEST, fingerprint
from processors.clock import database_now
from processors.models import Attempt, Batch, Record, Run
from tests.admin.conftest import SignIn, a_batch, a_failed_record, a_processor, a_run, an_active_run

pytestmark = pytest.mark.django_db

POLL = {"X-Live": "1"}
SIGHT = 12  # rows that a screen shows


def poll(client: Client, url: str, **headers: str) -> Any:
    return client.get(url, headers={**POLL, **headers})


def poll_as_seen(client: Client, url: str, html: str, **headers: str) -> Any:
    """As a browser that shows this page asks: with the hash of each region, and the rows in it."""
    shown = "".join(re.findall(r'data-hash="(\w{8})"', html))
    rows = re.findall(r'data-live="([^"]+)"[^>]* data-row|data-live="(state-\d+)"', html)
    asked = {
        "X-Live-Has": shown,
        "X-Live-Rows": ",".join(one or other for one, other in rows[:SIGHT]),
    }
    return poll(client, url, **{**asked, **headers})


def live_pages(history: dict[str, Any]) -> list[str]:
    return [
        reverse("admin:index"),
        history["processor"].get_absolute_url(),
        history["active"].get_absolute_url(),
        reverse("admin:processors_processor_changelist"),
        reverse("admin:processors_run_changelist"),
        reverse("admin:processors_record_changelist"),
        reverse("admin:processors_record_change", args=[history["record"].pk]),
        reverse("admin:health"),
        reverse("admin:queues"),
    ]


@pytest.fixture
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still for the pages: what is counted by the second stays as it is."""
    now = database_now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    for name, module in list(sys.modules.items()):
        if name.startswith("processors.admin.") and hasattr(module, "database_now"):
            monkeypatch.setattr(module, "database_now", lambda: now)


@pytest.fixture
def _remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for a page is not asked again while the test lasts, however long."""
    for module in (frame, looks, slow_cards):
        monkeypatch.setattr(module, "FRESH_SECONDS", 3_600)


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


@pytest.mark.usefixtures("still_clock")
def test_a_poll_that_finds_nothing_new_is_a_304(admin: Client, history: dict[str, Any]) -> None:
    for url in live_pages(history)[:-1]:  # how fast Redis answers is new each time
        page = admin.get(url).text

        answer = poll_as_seen(admin, url, page)

        assert (answer.status_code, answer.content) == (304, b""), url


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


def fill(history: dict[str, Any]) -> None:
    """Full lists: fifty processors at work and as many kinds of error, with long texts."""
    words = "something that a handler said of it " * 9
    for number in range(49):
        one = a_processor(f"other-{number:02}", name=f"Other {number} " * 4, description=words)
        for seq in range(1, 4):
            a_run(one, seq, dead=1, claimed=5, done=4)
        a_batch(an_active_run(one, 4, expected=900), claimed=20, done=11)
        a_failed_record(
            one, history["run"], f"K-{number}", last_error=words, fingerprint=f"{number:032x}",
            error_type="SomeLongNamedError",
        )  # fmt: skip


def test_a_poll_is_light_and_asks_little_when_everything_in_sight_has_changed(
    admin: Client, history: dict[str, Any]
) -> None:
    fill(history)
    for url in live_pages(history):
        page = admin.get(url).text
        changed = re.sub(r'data-hash="\w+"', "", page)
        with CaptureQueriesContext(connection) as queries:
            all_new = poll_as_seen(admin, url, changed, **{"X-Live-Has": ""}).content

        assert len(all_new) <= LARGEST == 20_000, (url, len(all_new))
        assert len(queries) <= 30, (url, len(queries))


@pytest.mark.usefixtures("_remembered")
def test_live_pages_cost_the_same_with_more_history(admin: Client, history: dict[str, Any]) -> None:
    urls = live_pages(history)
    poll(admin, urls[0])
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


def test_a_poll_asks_no_question_twice(admin: Client, history: dict[str, Any]) -> None:
    for url in live_pages(history):
        page = admin.get(url).text
        with CaptureQueriesContext(connection) as queries:
            poll_as_seen(admin, url, page)

        asked = Counter(query["sql"] for query in queries.captured_queries)
        assert [sql for sql, times in asked.items() if times > 1] == [], url


@pytest.mark.usefixtures("_remembered")
def test_a_poll_of_one_object_is_a_few_queries(admin: Client, history: dict[str, Any]) -> None:
    one_object = [url for url in live_pages(history) if url.endswith("/change/")]
    for url in one_object:
        page = admin.get(url).text
        poll_as_seen(admin, url, page)
        with CaptureQueriesContext(connection) as queries:
            poll_as_seen(admin, url, page)

        assert len(queries) <= 16, url


def queries_of(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        poll(client, url)
    return len(queries)


def test_a_paused_run_shows_why_instead_of_the_pace_it_had(
    admin: Client, history: dict[str, Any]
) -> None:
    run, now = history["active"], database_now()
    a_batch(run, slot=8, state="closed", done=600, claimed=600,
            opened_at=now - timedelta(seconds=30), closed_at=now)  # fmt: skip
    going = poll(admin, reverse("admin:index")).text

    Run.objects.filter(pk=run.pk).update(state="paused")
    paused = poll(admin, reverse("admin:index")).text

    assert [bool(re.search(r"\d/(s|min)\b", html)) for html in (going, paused)] == [True, False]
    assert "was paused" in paused


def test_a_table_of_runs_is_drawn_again_when_a_run_ends(
    admin: Client, history: dict[str, Any]
) -> None:
    url = history["processor"].get_absolute_url()
    Run.objects.filter(pk=history["active"].pk).update(ended_at=database_now(), state="finished")
    page = admin.get(url).text
    quiet = poll_as_seen(admin, url, page).text

    a_run(history["processor"], 3)
    html = poll_as_seen(admin, url, page).text

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
