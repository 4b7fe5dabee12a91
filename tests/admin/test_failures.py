"""Failed records by error and one by one: groups, search, tabs, and acts on all of a filter."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from processors import bulk, control, failures
from processors.admin import frame
from processors.admin.record_acts import AT_ONCE, selection_of
from processors.admin.record_filters import filtered, in_state
from processors.clock import database_now
from processors.models import Attempt, BulkAct, Processor, Record, Run
from processors.selection import Selection
from tests.admin.conftest import VIEWS, SignIn, a_failed_record, a_processor, a_run

pytestmark = pytest.mark.django_db

RECORDS = "admin:processors_record_changelist"
KEY_ERROR, TIMEOUT = "a" * 32, "b" * 32


@pytest.fixture
def processor() -> Processor:
    return a_processor()


@pytest.fixture
def failed(processor: Processor) -> list[Record]:
    """Three with one error, of which one is new, and one with another."""
    now, run = database_now(), a_run(processor)
    return [
        a_failed_record(processor, run, key, error_type=kind, fingerprint=mark, last_error=message,
                        settled_at=now - timedelta(hours=hours),
                        payload={"customer": {"city": city}})
        for key, kind, mark, message, hours, city in (
            ("INV-1", "KeyError", KEY_ERROR, "'postal_code'", 0, "Köln"),
            ("INV-2", "KeyError", KEY_ERROR, "'street'", 5, "Berlin"),
            ("INV-3", "KeyError", KEY_ERROR, "'street'", 100, "Köln"),
            ("INV-4", "TimeoutError", TIMEOUT, "no answer within 30 s", 0, "Köln"),
        )
    ]  # fmt: skip


def html_of(client: Client, **given: str) -> str:
    return client.get(reverse(RECORDS), given).content.decode()


def keys_in(html: str) -> list[str]:
    return re.findall(r'class="name key" href="[^"]+">([^<]+)<', html)


def said(answer: Any) -> str:
    return " ".join(map(str, get_messages(answer.wsgi_request)))


def test_a_record_leads_to_the_last_run_that_tried_it(
    admin: Client, processor: Processor, failed: list[Record]
) -> None:
    later = a_run(processor, 7)
    Attempt.objects.filter(record=failed[0]).update(run=later)

    rows = html_of(admin, state="attention").split("<tr")
    [row] = [row for row in rows if "INV-1" in row]

    assert f'href="{later.get_absolute_url()}">#7</a>' in row
    assert f"run={later.pk}" in row  # and narrows the list to it


# By error


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


# Search and tabs


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


def test_the_pages_cost_the_same_with_more_failures(
    admin: Client, failed: list[Record], processor: Processor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame, "FRESH_SECONDS", 3_600)  # a slow machine asks no more often

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


# Acts on many


def test_all_of_an_error_are_retried_after_a_question_that_names_number_and_filter(
    admin: Client, failed: list[Record], processor: Processor
) -> None:
    url = reverse("admin:processors_record_many", args=["retry"])
    asked = admin.post(f"{url}?processor={processor.pk}&error={KEY_ERROR}").content.decode()
    assert "3 records are tried again" in asked
    assert "processor Orders · error KeyError" in asked

    selection = re.search(r'name="selection" value="([^"]+)"', asked)
    assert selection
    answer = admin.post(url, {"selection": selection[1], "confirmed": "1", "reason": "Mended"})

    assert "3 records are tried again." in said(answer)
    assert set(Record.objects.filter(state="ready").values_list("key", flat=True)) == {
        "INV-1", "INV-2", "INV-3",
    }  # fmt: skip


def test_all_pages_of_a_list_are_meant_by_select_all(admin: Client, failed: list[Record]) -> None:
    data = {"action": "discard_selected", "_selected_action": [failed[0].pk], "select_across": "1"}

    asked = admin.post(f"{reverse(RECORDS)}?state=attention&error={KEY_ERROR}", data)

    assert "3 records will not be handled" in asked.content.decode()


def test_a_search_is_acted_on_as_it_was_found(admin: Client, failed: list[Record]) -> None:
    data = {"action": "discard_selected", "_selected_action": [failed[0].pk], "select_across": "1"}

    asked = admin.post(f"{reverse(RECORDS)}?q=error:street", data)

    assert "2 records will not be handled" in asked.content.decode()


def test_a_selection_that_we_did_not_make_is_refused(admin: Client) -> None:
    url = reverse("admin:processors_record_many", args=["retry"])

    assert admin.post(url, {"selection": "{}", "confirmed": "1"}).status_code == 400
    assert admin.get(url).status_code == 405
    assert admin.post(reverse("admin:processors_record_many", args=["burn"])).status_code == 404


def test_an_act_on_many_needs_its_right(sign_in: SignIn, failed: list[Record]) -> None:
    url = reverse("admin:processors_record_many", args=["retry"])

    assert sign_in(*VIEWS).post(url).status_code == 403
    assert sign_in("manage_dead_records").post(url).status_code == 403


# In the background


@pytest.fixture
def many(processor: Processor, failed: list[Record]) -> int:
    now = database_now()
    Record.objects.bulk_create(
        Record(processor=processor, key=f"M-{n}", state="dead", payload={}, available_at=now,
               created_at=now, settled_at=now, fingerprint=KEY_ERROR, error_type="KeyError")
        for n in range(AT_ONCE)
    )  # fmt: skip
    return AT_ONCE + 3


def begin_one(admin: Client, processor: Processor) -> BulkAct:
    url = reverse("admin:processors_record_many", args=["retry"])
    asked = admin.post(f"{url}?processor={processor.pk}&error={KEY_ERROR}").content.decode()
    selection = re.search(r'name="selection" value="([^"]+)"', asked)
    assert selection
    assert "in the background" in asked
    answer = admin.post(url, {"selection": selection[1], "confirmed": "1", "reason": "Mended"})
    begun: BulkAct = BulkAct.objects.get()
    assert answer["Location"] == begun.get_absolute_url()
    return begun


def test_more_than_some_hundred_go_to_the_background_and_a_page_shows_how_far_they_are(
    admin: Client, processor: Processor, many: int
) -> None:
    begun = begin_one(admin, processor)
    assert Record.objects.needing_attention().count() == many + 1

    assert bulk.step(begun.pk)

    html = admin.get(begun.get_absolute_url()).content.decode()
    assert "500 of about 503 records" in html
    assert "Going on" in html
    assert begun.get_absolute_url() in html_of(admin)

    bulk.work(begun.pk)

    html = admin.get(begun.get_absolute_url()).content.decode()
    assert "503 of about 503 records" in html
    assert "Finished" in html
    assert Record.objects.needing_attention().count() == 1


def test_the_page_of_a_retry_says_that_its_processor_must_be_started(
    admin: Client, processor: Processor, many: int
) -> None:
    begun = begin_one(admin, processor)
    bulk.work(begun.pk)

    html = admin.get(begun.get_absolute_url()).content.decode()
    Processor.objects.update(state="started")

    assert "Start or run Orders to go on." in html
    assert "to go on" not in admin.get(begun.get_absolute_url()).content.decode()


def test_an_act_of_who_lost_the_right_ends_and_says_so(
    sign_in: SignIn, processor: Processor, many: int
) -> None:
    client = sign_in(*VIEWS, "manage_dead_records")
    begun = begin_one(client, processor)
    assert begun.user is not None
    begun.user.user_permissions.clear()

    bulk.work(begun.pk)

    begun.refresh_from_db()
    assert begun.has_ended
    assert "do not have the right" in begun.trouble
    assert Record.objects.needing_attention().count() == many + 1


def test_what_fails_again_meanwhile_is_not_retried_by_the_same_act(
    admin: Client, processor: Processor, many: int
) -> None:
    begun = begin_one(admin, processor)
    bulk.step(begun.pk)
    again = Record.objects.filter(state="ready").first()
    assert again is not None
    later = database_now() + timedelta(seconds=1)
    Record.objects.filter(pk=again.pk).update(state="dead", settled_at=later)

    bulk.work(begun.pk)

    assert Record.objects.get(pk=again.pk).state == "dead"


def test_a_hidden_processors_act_has_no_page(
    admin: Client, sign_in: SignIn, processor: Processor, many: int
) -> None:
    from django.contrib.auth.models import Group

    begun = begin_one(admin, processor)
    processor.groups.add(Group.objects.create(name="A"))

    client = sign_in(*VIEWS, "manage_dead_records")

    assert client.get(begun.get_absolute_url()).status_code == 404
    assert sign_in(*VIEWS).get(begun.get_absolute_url()).status_code == 403


def test_an_act_whose_wake_up_was_lost_is_woken_again(
    admin: Client, processor: Processor, many: int
) -> None:
    from processors import maintenance, queues
    from processors.queues.wakeups import queue

    begun = begin_one(admin, processor)
    assert queue("default").jobs == []
    BulkAct.objects.update(seen_at=database_now() - timedelta(minutes=5))

    maintenance.wake_for_acts(database_now())
    maintenance.wake_for_acts(database_now())

    [job] = queue("default").jobs
    assert job.func_name == "processors.tasks.act_on_many"
    assert job.args == [begun.pk]
    assert queues.SafeJob.fetch(job.id, connection=job.connection).func is not None


def test_a_selection_is_kept_and_read_back() -> None:
    selection = Selection("f" * 32, database_now(), (1, 2), 3, 4, "dead")

    assert Selection.from_json(selection.as_json()) == selection
    assert Selection.from_json(Selection().as_json()) == Selection()


def test_only_parked_records_can_be_marked_as_done(failed: list[Record]) -> None:
    from processors import dead_letters

    Record.objects.filter(key="INV-4").update(state="parked")
    act = control.by_command_line()

    moved = dead_letters.treat("settle", Selection(), act)

    assert moved == 1
    assert Record.objects.get(key="INV-4").state == "done"
