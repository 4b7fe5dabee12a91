"""Acts on several processors at once."""

import pytest
from django.test import Client
from django.urls import reverse

from processors.models import Event, Processor
from tests.admin.acts.conftest import bulk, state_of
from tests.admin.conftest import VIEWS, SignIn, a_processor, said

pytestmark = pytest.mark.django_db


def test_a_bulk_start_says_who_was_left_out_and_why(admin: Client) -> None:
    stopped, started = a_processor(), a_processor("invoices", state="started")
    url = reverse("admin:processors_processor_changelist")

    answer = admin.post(url, bulk("start", stopped, started, reason="All of them"))

    assert "Started: 1 of 2." in said(answer)
    assert "Invoices is started already" in said(answer)
    assert Event.objects.get(action="start").reason == "All of them"


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("stop", "started", "stopped"), ("pause", "started", "paused"),
        ("resume", "paused", "started"), ("run_once", "stopped", "stopped"),
    ],
)  # fmt: skip
def test_every_bulk_act_acts(admin: Client, action: str, before: str, after: str) -> None:
    processor = a_processor(state=before)

    answer = bulk(action, processor, confirmed="1")
    admin.post(reverse("admin:processors_processor_changelist"), answer)

    assert state_of(processor) == after
    assert Event.objects.filter(processor=processor).exists()


@pytest.mark.parametrize("action", ["stop", "pause"])
def test_a_bulk_stop_or_pause_asks_first(admin: Client, action: str) -> None:
    chosen = [a_processor(slug, state="started") for slug in ("orders", "invoices")]
    url = reverse("admin:processors_processor_changelist") + "?state=started"

    page = admin.post(url, bulk(action, *chosen, reason="CRM")).content.decode()

    assert [state_of(processor) for processor in chosen] == ["started", "started"]
    for processor in chosen:
        assert processor.name in page
        assert f'name="_selected_action" value="{processor.pk}"' in page
    assert 'name="reason" value="CRM"' in page
    assert ("By itself after 1 hour" in page) == (action == "pause")


def test_several_are_paused_until_a_time_and_the_list_comes_back(admin: Client) -> None:
    chosen = [a_processor(slug, state="started") for slug in ("orders", "invoices")]
    url = reverse("admin:processors_processor_changelist")
    sent = bulk("pause", *chosen, confirmed="1", next=f"{url}?state=started")

    odd = admin.post(url, {**sent, "until": "noon"})
    assert "“noon” is no date and time" in said(odd)
    answer = admin.post(url, {**sent, "length": "3600"})

    assert answer.headers["Location"] == f"{url}?state=started"
    assert [state_of(processor) for processor in chosen] == ["paused", "paused"]
    assert len(set(Processor.objects.values_list("paused_until", flat=True))) == 1


def test_a_bulk_act_without_the_right_does_nothing(sign_in: SignIn) -> None:
    processor = a_processor()

    sign_in(*VIEWS).post(reverse("admin:processors_processor_changelist"), bulk("start", processor))

    assert state_of(processor) == "stopped"
