"""Acts on several processors at once."""

import pytest
from django.test import Client
from django.urls import reverse

from processors.models import Event
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

    admin.post(reverse("admin:processors_processor_changelist"), bulk(action, processor))

    assert state_of(processor) == after
    assert Event.objects.filter(processor=processor).exists()


def test_a_bulk_act_without_the_right_does_nothing(sign_in: SignIn) -> None:
    processor = a_processor()

    sign_in(*VIEWS).post(reverse("admin:processors_processor_changelist"), bulk("start", processor))

    assert state_of(processor) == "stopped"
