"""What is refused, missing or must wait is told in our words, on a page that leads back."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from config.logs import OneLineFormatter, build_logging
from processors import dead_letters
from processors.acts import by_command_line
from tests.admin.conftest import SignIn, a_failed_record, a_processor, a_run
from tests.admin.test_matrix import NOBODY, TABLE, address, everything, objects

pytestmark = pytest.mark.django_db

__all__ = ["objects"]


def test_a_missing_page_leads_back_to_the_overview(admin: Client) -> None:
    answer = admin.get("/admin/processors/processor/4711/limits/")

    assert answer.status_code == 404
    assert f'href="{reverse("admin:index")}"' in answer.content.decode()


def test_a_missing_right_is_named_as_the_cause(sign_in: SignIn) -> None:
    answer = sign_in("view_record").get(reverse("admin:processors_record_add"))

    assert answer.status_code == 403
    assert "lacks the right" in answer.content.decode()


def test_a_refused_page_is_a_line_of_the_log_without_a_trace(
    sign_in: SignIn, caplog: pytest.LogCaptureFixture
) -> None:
    sign_in("view_record").get(reverse("admin:processors_record_add"))

    [told] = [OneLineFormatter().format(each) for each in caplog.records]
    assert told == "Forbidden (Permission denied): /admin/processors/record/add/"


def test_the_calls_that_handlers_make_are_logged_for_who_looks_for_mistakes_only() -> None:
    levels: list[Any] = [build_logging(level) for level in ("DEBUG", "INFO", "ERROR")]

    told = [one["loggers"]["httpx"]["level"] for one in levels]
    assert told == ["DEBUG", "WARNING", "ERROR"]


def test_pages_that_refuse_keep_the_ways_that_lead_elsewhere(sign_in: SignIn) -> None:
    viewer = sign_in("view_record", "view_run")

    for path in ("/admin/processors/record/add/", "/admin/processors/run/0/change/", "/nowhere/"):
        html = viewer.get(path).content.decode()
        assert reverse("admin:processors_run_changelist") in html
        assert reverse("admin:logout") in html
        assert reverse("admin:processors_processor_changelist") not in html


def test_a_stranger_is_shown_no_way_into_the_admin() -> None:
    answer = Client().get("/nowhere/")

    assert answer.status_code == 404
    assert reverse("admin:logout") not in answer.content.decode()


def test_a_form_older_than_the_session_says_what_to_do() -> None:
    answer = Client(enforce_csrf_checks=True).post(reverse("admin:login"), {})

    assert answer.status_code == 403
    assert "older than your session" in answer.content.decode()


@pytest.mark.parametrize(
    ("state", "words"),
    [("started", "again."), ("stopped", "Start or run Orders"), ("paused", "resume it")],
)
def test_a_retry_says_who_must_act_before_it_goes_on(state: str, words: str) -> None:
    processor = a_processor(state=state)
    record = a_failed_record(processor, a_run(processor))

    said = dead_letters.treat_record("retry", record, by_command_line())

    assert words in said
    assert ("to go on" in said) == (state != "started")


ONE = "/admin/processors/processor/{pk}/change/"
PAGE_OF = {
    "/admin/processors/processor/{pk}/start/": ONE,
    "/admin/processors/processor/{pk}/limits/undo/": ONE,
    "/admin/processors/processor/{pk}/versions/1/revert/":
        "/admin/processors/processor/{pk}/versions/1/",
    "/admin/processors/record/{pk}/retry/": "/admin/processors/record/{pk}/change/",
    "/admin/processors/record/many/retry/": "/admin/processors/record/",
    "/admin/queues/do/resume/": "/admin/queues/",
    "/admin/logout/": "/admin/",
}  # fmt: skip


def test_b93_no_act_is_done_when_it_is_opened_as_a_link(
    admin: Client, objects: dict[str, Any]
) -> None:
    before = everything()

    for route in (route for route, (get, post) in TABLE.items() if get == NOBODY != post):
        answer = admin.get(address(route, objects))

        assert answer.status_code == 405, route
        assert answer["Allow"].startswith("POST"), route
        assert "Nothing was done" in answer.content.decode(), route
    assert everything() == before


def test_b93_an_act_that_is_opened_as_a_link_leads_to_the_page_with_its_button(
    admin: Client,
) -> None:
    pk = a_processor().pk

    for act, page in PAGE_OF.items():
        assert f'href="{page.format(pk=pk)}"' in admin.get(act.format(pk=pk)).content.decode(), act


def test_b93_a_stranger_who_opens_an_act_signs_in_first(client: Client) -> None:
    answer = client.get("/admin/processors/processor/1/start/")

    assert answer.status_code == 302
    assert "/admin/login/" in answer["Location"]


def test_a_request_without_sense_is_told_why_in_the_frame(admin: Client) -> None:
    answer = admin.get("/admin/queues/jobs/?queue=default&place=nowhere")

    assert answer.status_code == 400
    assert "Name a queue, and one of its places." in answer.content.decode()
    assert 'href="/admin/processors/processor/"' in answer.content.decode()


def test_a_form_too_large_is_told_with_its_limit(admin: Client) -> None:
    answer = admin.post("/admin/processors/processor/add/", {"description": "x" * 3_000_000})

    assert answer.status_code == 413
    assert "at most 2.6 MB. Nothing was saved. A large text" in answer.content.decode()


def test_a_strange_host_gets_no_frame(admin: Client) -> None:
    answer = admin.get("/admin/", headers={"host": "evil.example"})

    assert answer.status_code == 400
    assert b"sections" not in answer.content
