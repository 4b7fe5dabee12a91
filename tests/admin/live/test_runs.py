"""A run's page while it goes on, when it is paused and when it has ended."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from processors.clock import database_now
from processors.models import Run
from tests.admin.conftest import a_batch
from tests.admin.live.conftest import poll

pytestmark = pytest.mark.django_db


def test_a_run_that_has_ended_ends_the_polling(admin: Client, history: dict[str, Any]) -> None:
    assert poll(admin, history["run"].get_absolute_url())["X-Live-Next"] == "0"
    assert poll(admin, history["active"].get_absolute_url())["X-Live-Next"] == "2000"


def test_a_run_that_has_just_ended_sends_what_polls_leave_out(
    admin: Client, history: dict[str, Any]
) -> None:
    ended = poll(admin, history["run"].get_absolute_url()).content.decode()
    active = poll(admin, history["active"].get_absolute_url()).content.decode()

    assert 'data-live="workers"' in ended
    assert 'data-live="workers"' not in active


def test_a_paused_run_shows_why_instead_of_the_pace_it_had(
    admin: Client, history: dict[str, Any]
) -> None:
    run, now = history["active"], database_now()
    a_batch(run, slot=8, state="closed", done=600, claimed=600,
            opened_at=now - timedelta(seconds=30), closed_at=now)  # fmt: skip
    going = poll(admin, reverse("admin:index")).text

    Run.objects.filter(pk=run.pk).update(state="paused")
    paused = poll(admin, reverse("admin:index")).text

    assert [bool(re.search(r"\d/(s|min)\b", html)) for html in (going, paused)] == [True, False]
    assert "was paused" in paused
