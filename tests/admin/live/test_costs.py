"""A poll is light and asks little, however much there is."""

import re
from collections import Counter
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from processors.admin.live import LARGEST
from tests.admin.conftest import a_batch, a_failed_record, a_processor, a_run, an_active_run
from tests.admin.live.conftest import live_pages, poll, poll_as_seen

pytestmark = pytest.mark.django_db


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


@pytest.mark.usefixtures("remembered")
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


@pytest.mark.usefixtures("remembered")
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
