"""Every page opens with rows, shows text as text, and costs a fixed number of queries."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from processors.admin import error_page, looks
from processors.models import Record
from tests.admin.conftest import (
    NASTY,
    VIEWS,
    SignIn,
    a_failed_record,
    a_processor,
    a_run,
    an_active_run,
)
from tests.factories import make_record

pytestmark = pytest.mark.django_db

LISTS = ("processor", "run", "record", "attempt", "event")


def url_of(name: str, *args: Any) -> str:
    return reverse(f"admin:processors_{name}", args=args)


def pages(history: dict[str, Any]) -> list[str]:
    record, event = history["record"], history["event"]
    return [
        reverse("admin:index"),
        *(url_of(f"{model}_changelist") for model in LISTS),
        url_of("processor_add"),
        history["processor"].get_absolute_url(),
        history["run"].get_absolute_url(),
        history["active"].get_absolute_url(),
        url_of("record_change", record.pk),
        url_of("event_change", event.pk),
        url_of("processor_history", history["processor"].pk),
        url_of("processor_delete", history["processor"].pk),
        url_of("processor_force-stop", history["processor"].pk),
        url_of("processor_versions", history["processor"].pk),
        url_of("processor_version", history["processor"].pk, 1),
        url_of("processor_import"),
    ]


def test_every_page_opens_and_shows_stored_text_as_text(
    admin: Client, history: dict[str, Any]
) -> None:
    for url in pages(history):
        answer = admin.get(url)

        assert answer.status_code == 200, url
        assert NASTY not in answer.content.decode(), url


def test_no_page_has_an_inline_script_or_style(admin: Client, history: dict[str, Any]) -> None:
    for url in pages(history):
        html = admin.get(url).content.decode()

        assert "<style" not in html, url
        assert " style=" not in html, url
        assert "<script>" not in html, url


def test_pages_without_rows_say_what_to_do(admin: Client) -> None:
    for model in LISTS:
        assert "empty" in admin.get(url_of(f"{model}_changelist")).content.decode()
    assert "Nothing is running" in admin.get(reverse("admin:index")).content.decode()


def test_a_filter_that_finds_nothing_offers_to_clear_it(
    admin: Client, history: dict[str, Any]
) -> None:
    html = admin.get(url_of("processor_changelist"), {"q": "nothing like it"}).content.decode()

    assert "Nothing matches." in html


@pytest.mark.usefixtures("remembered")
@pytest.mark.parametrize("model", LISTS)
def test_a_list_costs_the_same_with_more_rows(
    admin: Client, history: dict[str, Any], model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(error_page, "minute_of", type)  # one minute is like another
    url = url_of(f"{model}_changelist")
    admin.get(url)
    with CaptureQueriesContext(connection) as few:
        admin.get(url)
    for number in range(5):
        other = a_processor(f"other-{number}", topic="t")
        run = a_run(other)
        an_active_run(other)
        a_failed_record(other, run)
    for _ in range(5):
        admin.get(url)  # counts some of the new backlogs, which are then remembered
    with CaptureQueriesContext(connection) as many:
        admin.get(url)

    assert len(many) <= len(few) + (1 if model == "processor" else 0)
    assert len(many) <= 26


def test_a_list_of_inboxes_tells_at_first_sight_how_many_records_wait(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "FEW", 2)
    inboxes = [a_processor(f"inbox-{number:02}") for number in range(12)]
    for number, inbox in enumerate(inboxes):
        for key in range(6 if number > 8 else 1):
            make_record(inbox, key=f"A-{key}")

    with CaptureQueriesContext(connection) as asked:
        html = admin.get(url_of("processor_changelist")).content.decode()

    told = re.findall(r'data-live="waiting-\d+".*?</span>(.*?)</div></td>', html, re.DOTALL)
    # Many are counted inbox by inbox, two for each page.
    assert told == ["1"] * 9 + ["6"] * 2 + ["…"]
    assert len(asked) <= 30


def test_records_show_what_needs_a_person_unless_asked_for_all(
    admin: Client, history: dict[str, Any]
) -> None:
    Record.objects.create(
        processor=history["processor"], key="DONE-1", state="done",
        available_at=history["record"].available_at, created_at=history["record"].created_at,
    )  # fmt: skip

    needing = admin.get(url_of("record_changelist")).content.decode()
    everything = admin.get(url_of("record_changelist"), {"state": "all"}).content.decode()

    assert "DONE-1" not in needing
    assert "A-1" in needing
    assert "DONE-1" in everything


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"q": "A-1"}, True), ({"q": "A-2"}, False), ({"error": "f" * 32}, True),
        ({"error": "0" * 32}, False), ({"processor": "x"}, False), ({"run": "99999"}, False),
    ],
)  # fmt: skip
def test_records_are_found_by_key_error_processor_and_run(
    admin: Client, history: dict[str, Any], given: dict[str, str], found: bool
) -> None:
    html = admin.get(url_of("record_changelist"), given).content.decode()

    assert ("A-1</a>" in html) is found


@pytest.mark.parametrize(
    ("model", "given"),
    [
        ("run", {"state": "active"}), ("run", {"state": "failures"}),
        ("run", {"state": "finished"}),
        ("run", {"q": "#1"}), ("run", {"q": "script"}), ("run", {"trigger": "manual"}),
        ("processor", {"state": "stopped"}), ("event", {"actor": "machine"}),
        ("event", {"action_is": "start"}),
    ],
)  # fmt: skip
def test_every_filter_finds_its_rows(
    admin: Client, history: dict[str, Any], model: str, given: dict[str, str]
) -> None:
    answer = admin.get(url_of(f"{model}_changelist"), given)

    assert answer.status_code == 200
    assert "Nothing matches" not in answer.content.decode()


@pytest.mark.parametrize("query", ["a\x00b", "x" * 201])
def test_b23_a_search_that_no_list_can_mean_is_refused(admin: Client, query: str) -> None:
    for model in LISTS:
        assert admin.get(url_of(f"{model}_changelist"), {"q": query}).status_code == 400


@pytest.mark.parametrize("query", ["%", "_", "\\", "'\"", "😀"])
def test_b23_signs_are_searched_literally(
    admin: Client, history: dict[str, Any], query: str
) -> None:
    for model in ("run", "record"):
        html = admin.get(url_of(f"{model}_changelist"), {"q": query}).content.decode()

        assert "Nothing matches" in html


def test_a_payload_needs_its_own_right(sign_in: SignIn, history: dict[str, Any]) -> None:
    url = url_of("record_change", history["record"].pk)

    assert "alert" in sign_in(*VIEWS, "view_payload").get(url).content.decode()
    assert "You do not have the right to see payloads" in sign_in(*VIEWS).get(url).content.decode()


def test_an_active_run_shows_the_sum_of_its_batches(admin: Client, history: dict[str, Any]) -> None:
    html = admin.get(history["active"].get_absolute_url()).content.decode()

    assert "3 of 10" in html
    assert "1 batch in hand" in html


def test_a_page_that_does_not_exist_is_404(admin: Client) -> None:
    for url in ("processor", "run", "record", "event"):
        assert admin.get(url_of(f"{url}_change", 99999)).status_code == 404
        assert admin.get(url_of(f"{url}_change", "x")).status_code == 404


def test_pages_open_while_redis_is_down(
    admin: Client, history: dict[str, Any], redis_server: Any
) -> None:
    history["processor"].__class__.objects.update(state="started")
    redis_server.stop()
    try:
        for url in pages(history):
            assert admin.get(url).status_code == 200, url
        html = admin.get(url_of("processor_changelist")).content.decode()
    finally:
        redis_server.start()

    assert "Redis does not answer" in html


def test_a_poll_does_not_eat_the_messages_of_the_next_page(
    admin: Client, history: dict[str, Any]
) -> None:
    url = history["processor"].get_absolute_url()
    admin.post(url_of("processor_start", history["processor"].pk), {"seen": "old"})

    poll = admin.get(url, headers={"X-Live": "1"}).content.decode()
    page = admin.get(url).content.decode()

    assert "this page is too old" not in poll
    assert "this page is too old" in page


def test_history_cannot_be_added_changed_or_deleted(admin: Client, history: dict[str, Any]) -> None:
    for model, pk in (("run", history["run"].pk), ("record", history["record"].pk),
                      ("event", history["event"].pk)):  # fmt: skip
        assert admin.get(url_of(f"{model}_add")).status_code == 403
        assert admin.post(url_of(f"{model}_delete", pk), {"post": "yes"}).status_code == 403


def test_the_page_of_a_processor_shows_what_it_does_before_what_can_be_set(
    admin: Client, history: dict[str, Any]
) -> None:
    html = admin.get(history["processor"].get_absolute_url()).text

    order = ["More</summary>", 'data-live="facts"', 'id="forecast"', 'data-live="runs"',
             'id="errors"', "What happened", 'id="limits"', 'id="settings"']  # fmt: skip
    places = [html.index(part) for part in order]
    assert places == sorted(places)
    assert html.index(">Versions</a>") < places[1]
