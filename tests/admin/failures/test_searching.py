"""Failed records are found: search, tabs and filters."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from processors.admin.record_acts import selection_of
from processors.admin.record_filters import filtered, in_state
from processors.models import Processor, Record, Run
from tests.admin.conftest import VIEWS, SignIn, a_failed_record
from tests.admin.failures.conftest import KEY_ERROR, RECORDS, html_of, keys_in

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("INV-2", ["INV-2"]), ("key:INV-4", ["INV-4"]),
        ("key:NV", ["INV-1", "INV-2", "INV-3", "INV-4"]),
        ("error:KeyError", ["INV-1", "INV-2", "INV-3"]), ("error:postal", ["INV-1"]),
        ("error:KeyError payload.customer.city:köln", ["INV-1", "INV-3"]),
        ("street payload.customer.city:Berlin", ["INV-2"]), ('error:"no answer"', ["INV-4"]),
        ("payload.customer:Köln", []), ("error:nothing", []), ("nobody:knows", []),
    ],
)  # fmt: skip
def test_a_search_understands_its_fields(
    admin: Client, failed: list[Record], query: str, found: list[str]
) -> None:
    shown = keys_in(html_of(admin, state="attention", q=query))

    assert sorted(shown) == sorted(found)


def test_a_search_says_how_far_it_looked(admin: Client, failed: list[Record]) -> None:
    assert "the newest 10,000 records" in html_of(admin, q="street")


@pytest.mark.parametrize("query", ["payload.customer.city:Köln", "payload.api_token:s"])
def test_what_may_not_be_seen_cannot_be_guessed_by_searching(
    sign_in: SignIn, failed: list[Record], query: str
) -> None:
    Record.objects.update(payload={"customer": {"city": "Köln"}, "api_token": "s"})
    rights = VIEWS if "city" in query else (*VIEWS, "view_payload")

    assert keys_in(html_of(sign_in(*rights), q=query)) == []


def test_numbers_of_tabs_follow_the_other_filters(admin: Client, failed: list[Record]) -> None:
    Record.objects.filter(key="INV-2").update(state="ready", settled_at=None, maybe_seen=True)

    html = html_of(admin, state="attention", error=KEY_ERROR)

    assert re.search(r'Needs attention <span class="pill">2<', html)
    assert re.search(r'Retrying <span class="pill">1<', html)
    assert keys_in(html_of(admin, state="retrying")) == ["INV-2"]


@pytest.mark.parametrize(
    "state", ["attention", "parked", "retrying", "ready", "claimed", "done", "skipped", "all"]
)
def test_every_tab_opens(admin: Client, failed: list[Record], state: str) -> None:
    assert admin.get(reverse(RECORDS), {"state": state}).status_code == 200


@pytest.mark.parametrize(
    "query",
    [
        "state=attention", "error=" + KEY_ERROR, "failed=24h", "processor=1&failed=7d", "run=1",
        "state=parked", "processor=x",
    ],
)  # fmt: skip
def test_an_act_on_a_filter_means_what_its_list_shows(failed: list[Record], query: str) -> None:
    from django.http import QueryDict

    Record.objects.filter(key="INV-4").update(state="parked")
    given = QueryDict(query)
    listed = in_state(filtered(Record.objects.all(), given), given.get("state"))

    meant = selection_of(given).rows()

    assert set(meant.values_list("pk")) == set(listed.values_list("pk"))


@pytest.mark.usefixtures("still_clock", "remembered")
def test_the_pages_cost_the_same_with_more_failures(
    admin: Client, failed: list[Record], processor: Processor
) -> None:
    def queries(**given: str) -> int:
        html_of(admin, **given)
        with CaptureQueriesContext(connection) as captured:
            html_of(admin, **given)
        return len(captured)

    before = [queries(), queries(state="attention"), queries(q="street")]
    run = Run.objects.get()
    for number in range(6):
        a_failed_record(processor, run, f"MORE-{number}", fingerprint=str(number) * 32)

    after = [queries(), queries(state="attention"), queries(q="street")]

    assert after == before
    assert max(after) <= 20
