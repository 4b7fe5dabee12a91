"""What is refused, missing or must wait is told in our words, on a page that leads back."""

import pytest
from django.test import Client
from django.urls import reverse

from processors import control, dead_letters
from tests.admin.conftest import SignIn, a_failed_record, a_processor, a_run

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
