"""A click acts once, by POST, on the page as it is now, and asks first where it should."""

import html

import pytest
from django.test import Client
from django.urls import reverse

from processors.models import Event, Run
from tests.admin.acts.conftest import VERBS, act_url, state_of
from tests.admin.conftest import a_batch, a_processor, an_active_run, click, said

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("verb", VERBS)
def test_b93_a_get_of_an_act_does_nothing(admin: Client, verb: str) -> None:
    processor = a_processor()

    answer = admin.get(act_url(verb, processor.pk))

    assert answer.status_code == (200 if verb == "force-stop" else 405)
    assert not Event.objects.exists()


@pytest.mark.parametrize("reason", ["", "Price list &amp; co"])
@pytest.mark.parametrize("verb", ["stop", "pause"])
def test_stop_and_pause_always_ask_first(admin: Client, verb: str, reason: str) -> None:
    processor = a_processor(state="started")
    a_batch(an_active_run(processor), claimed=4)
    data = click(processor, reason=html.unescape(reason))
    del data["confirmed"]

    answer = admin.post(act_url(verb, processor.pk), data)
    page = answer.content.decode()

    assert answer.status_code == 200
    assert f'name="seen" value="{data["seen"]}"' in page
    assert f'name="reason" value="{reason}"' in page
    assert "Running" in page
    assert state_of(processor) == "started"


def test_a_doubled_click_acts_once(admin: Client) -> None:
    processor = a_processor()
    data = click(processor)

    admin.post(act_url("start", processor.pk), data)
    again = admin.post(act_url("start", processor.pk), data)

    assert "this was done already" in said(again)
    assert Event.objects.filter(action="start").count() == 1


def test_b97_a_click_on_an_old_page_names_who_was_first(admin: Client) -> None:
    processor = a_processor()
    old = click(processor)
    admin.post(act_url("start", processor.pk), click(processor))

    answer = admin.post(act_url("stop", processor.pk), old)

    assert "was changed meanwhile by" in said(answer)
    assert state_of(processor) == "started"


@pytest.mark.parametrize("seen", ["", "x", "1", "1:x", ":"])
def test_a_click_without_its_numbers_does_nothing(admin: Client, seen: str) -> None:
    processor = a_processor()

    answer = admin.post(act_url("start", processor.pk), {"seen": seen})

    assert "this page is too old" in said(answer)
    assert state_of(processor) == "stopped"


def test_b97_force_stop_wants_the_name_typed(admin: Client) -> None:
    processor = a_processor()
    run = an_active_run(processor)

    wrong = admin.post(act_url("force-stop", processor.pk), click(processor, typed_name="order"))
    assert "type orders to confirm" in said(wrong)
    assert Run.objects.get(pk=run.pk).state == "running"

    admin.post(act_url("force-stop", processor.pk), click(processor, typed_name="orders"))
    assert Run.objects.get(pk=run.pk).state != "running"


def test_after_the_act_the_person_is_where_he_was(admin: Client) -> None:
    processor = a_processor()
    page = reverse("admin:processors_processor_changelist") + "?state=stopped"

    answer = admin.post(act_url("start", processor.pk), click(processor, next=page))
    away = admin.post(
        act_url("stop", processor.pk), click(processor, next="//evil.example/", reason="x")
    )

    assert answer["Location"] == page
    assert away["Location"] == processor.get_absolute_url()
