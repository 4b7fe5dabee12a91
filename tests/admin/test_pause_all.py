"""Pause all on its page, and the banner that every page has meanwhile."""

import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from processors import pause_all
from processors.acts import by_command_line
from processors.models import Installation, Processor
from processors.protocol import all_paused
from tests.admin.conftest import VIEWS, SignIn, a_processor, an_active_run, said

pytestmark = pytest.mark.django_db

PAUSE, RESUME = "admin:pause_all", "admin:resume_all"


@pytest.fixture(autouse=True)
def _installation(db: None) -> None:
    Installation.make()


def a_click(**more: Any) -> dict[str, Any]:
    return {"seen": f"{pause_all.stamp(all_paused.current())}:{uuid.uuid4()}", **more}


def test_the_page_pauses_with_reason_and_end(admin: Client) -> None:
    assert "Pause all" in admin.get(reverse("admin:index")).content.decode()

    answer = admin.post(reverse(PAUSE), a_click(reason="CRM moves", length="3600"))

    found = all_paused.current()
    assert found is not None
    assert (found.reason, found.until is not None) == ("CRM moves", True)
    assert "Everything was paused." in said(answer)


def test_every_page_says_who_and_why_and_offers_resume(
    admin: Client, history: dict[str, Any]
) -> None:
    pause_all.pause_all(by_command_line("CRM moves"))
    pages = [reverse("admin:index"), reverse("admin:queues"), reverse("admin:schedule")]
    pages += [history[name].get_absolute_url() for name in ("processor", "run")]

    for url in pages:
        text = admin.get(url).content.decode()
        assert "Everything is paused by command-line" in text, url
        assert "CRM moves." in text, url
        assert "Resume all" in text, url


def test_a_click_on_resume_leads_back_to_where_it_was(admin: Client) -> None:
    pause_all.pause_all(by_command_line())
    back = reverse("admin:processors_run_changelist")

    answer = admin.post(reverse(RESUME), a_click(next=back))

    assert answer["Location"] == back
    assert not all_paused.is_on()


def test_who_may_only_look_reads_it_and_gets_no_button(sign_in: SignIn) -> None:
    pause_all.pause_all(by_command_line("CRM moves"))

    page = sign_in(*VIEWS).get(reverse("admin:index")).content.decode()

    assert "CRM moves." in page
    assert "Resume all" not in page


def test_a_run_looks_paused_meanwhile(admin: Client) -> None:
    an_active_run(a_processor())
    pause_all.pause_all(by_command_line())

    page = admin.get(Processor.objects.get().get_absolute_url()).content.decode()

    assert 'aria-hidden="true">❚❚</span> Paused' in page


def test_a_click_without_a_stamp_pauses_nothing(admin: Client) -> None:
    answer = admin.post(reverse(PAUSE), {"reason": "no"})

    assert "too old" in said(answer)
    assert not all_paused.is_on()


def test_an_end_that_is_no_time_pauses_nothing(admin: Client) -> None:
    answer = admin.post(reverse(PAUSE), a_click(until="tomorrow"))

    assert "is no date and time" in said(answer)
    assert not all_paused.is_on()
