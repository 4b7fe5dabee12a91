"""What is refused, missing or must wait is told in our words, on a page that leads back."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from processors import control, dead_letters
from processors.admin.buttons import VERBS
from processors.models import Event
from tests.admin.conftest import SignIn, a_failed_record, a_processor, a_run
from tests.admin.test_matrix import NOBODY, TABLE

pytestmark = pytest.mark.django_db


def test_a_missing_page_leads_back_to_the_overview(admin: Client) -> None:
    answer = admin.get("/admin/processors/processor/4711/limits/")

    assert answer.status_code == 404
    assert f'href="{reverse("admin:index")}"' in answer.content.decode()


def test_a_missing_right_is_named_as_the_cause(sign_in: SignIn) -> None:
    answer = sign_in("view_record").get(reverse("admin:processors_record_add"))

    assert answer.status_code == 403
    assert "lacks the right" in answer.content.decode()


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

    said = dead_letters.treat_record("retry", record, control.by_command_line())

    assert words in said
    assert ("to go on" in said) == (state != "started")


ACTS = {
    **{f"/admin/processors/processor/{{pk}}/{verb}/": "/admin/processors/processor/{pk}/change/"
       for verb in (*VERBS, "limits/undo")},
    "/admin/processors/processor/{pk}/versions/1/revert/":
        "/admin/processors/processor/{pk}/versions/1/",
    **{f"/admin/processors/record/{{pk}}/{act}/": "/admin/processors/record/{pk}/change/"
       for act in (*dead_letters.TREATMENTS, "reprocess")},
    "/admin/processors/record/many/retry/": "/admin/processors/record/",
    "/admin/queues/do/resume/": "/admin/queues/",
    "/admin/resume-all/": "/admin/",
    "/admin/logout/": "/admin/",
}  # fmt: skip


@pytest.mark.parametrize("act", ACTS)
def test_b93_an_act_opened_as_a_link_does_nothing_and_leads_to_its_page(
    admin: Client, act: str
) -> None:
    processor = a_processor()

    answer = admin.get(act.format(pk=processor.pk))

    assert answer.status_code == 405
    assert answer["Allow"].startswith("POST")
    assert "Nothing was done" in answer.content.decode()
    assert f'href="{ACTS[act].format(pk=processor.pk)}"' in answer.content.decode()
    assert not Event.objects.exists()


def test_b93_every_act_by_post_alone_is_tried() -> None:
    by_post_alone = {route for route, rights in TABLE.items() if rights[0] == NOBODY != rights[1]}

    tried = {
        route for route in by_post_alone if any(matches(act.format(pk=1), route) for act in ACTS)
    }

    assert by_post_alone - tried == set()


def matches(act: str, route: str) -> bool:
    """Whether an address is one of a route."""
    pattern = re.sub(r"<(int|slug):\w+>", lambda part: r"\d+" if part[1] == "int" else ".+", route)
    return re.fullmatch(f"/{pattern}", act) is not None


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
    assert "at most 2.6 MB. Nothing was saved." in answer.content.decode()


def test_a_strange_host_gets_no_frame(admin: Client) -> None:
    answer = admin.get("/admin/", headers={"host": "evil.example"})

    assert answer.status_code == 400
    assert b"sections" not in answer.content
