"""The doctor's page, and the list of events."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from processors.admin import health_page, looks
from processors.clock import database_now
from processors.models import Event, Processor
from tests.admin.conftest import SignIn, a_failed_record, a_processor, a_run
from tests.servers import RedisServer

pytestmark = pytest.mark.django_db


def test_health_shows_what_the_doctor_finds_with_what_to_do(admin: Client) -> None:
    a_processor(state="stopped", fault_reason="The table is gone.")

    html = admin.get(reverse("admin:health")).content.decode()

    assert "The table is gone." in html
    assert "Error" in html


def test_health_is_looked_at_again_only_when_asked_or_after_a_while(admin: Client) -> None:
    admin.get(reverse("admin:health"))
    a_processor(state="stopped", fault_reason="The table is gone.")

    soon = admin.get(reverse("admin:health")).content.decode()
    again = admin.get(reverse("admin:health"), {"again": "1"}).content.decode()

    assert "The table is gone." not in soon
    assert "The table is gone." in again


@pytest.mark.usefixtures("remembered")
def test_looking_again_asks_no_more_for_more_processors(admin: Client) -> None:
    url = reverse("admin:health") + "?again=1"
    admin.get(url)
    with CaptureQueriesContext(connection) as before:
        admin.get(url)
    for number in range(5):
        a_processor(slug=f"more-{number}", state="started")

    with CaptureQueriesContext(connection) as after:
        admin.get(url)

    assert len(after) <= len(before) + 1 <= 30  # the queues that started ones use


def test_health_and_banner_follow_a_redis_that_goes_and_comes_back(
    admin: Client, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "FRESH_SECONDS", 0)  # no queue is remembered
    said = ("It does not answer", "Redis does not answer")
    before = admin.get(reverse("admin:health")).text

    redis_server.stop()
    try:
        meanwhile = admin.get(reverse("admin:health"), headers={"X-Live": "1"}).text
    finally:
        redis_server.start()
    after = admin.get(reverse("admin:health"), headers={"X-Live": "1"}).text

    assert [[one in html for one in said] for html in (before, meanwhile, after)] == [
        [False, False],
        [True, True],
        [False, False],
    ]


def test_a_poll_of_health_never_waits_for_the_doctor(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = reverse("admin:health")
    admin.get(url)
    monkeypatch.setattr(health_page, "FRESH", timedelta(seconds=-1))
    monkeypatch.setattr(health_page, "examine", lambda: pytest.fail("the doctor was asked"))

    html = admin.get(url, {"again": "1"}, headers={"X-Live": "1"}).text

    assert 'data-live="findings"' in html


def test_health_needs_its_right_and_is_linked_only_for_who_has_it(
    sign_in: SignIn, admin: Client
) -> None:
    url = reverse("admin:health")

    assert sign_in("view_processor").get(url).status_code == 403
    assert url not in sign_in("view_processor").get(reverse("admin:index")).content.decode()
    assert url in admin.get(reverse("admin:index")).content.decode()


# Events


@pytest.fixture
def events() -> Processor:
    """What anna did an hour ago, and the machine a year ago."""
    processor, now = a_processor(), database_now()
    anna = User.objects.create_user("anna", is_staff=True)
    for action, user, at in (
        ("pause", anna, now - timedelta(hours=1)), ("end", None, now - timedelta(days=365)),
    ):  # fmt: skip
        Event.objects.create(processor=processor, subject="processor", action=action, user=user,
                             actor="anna" if user else "scheduler", at=at)  # fmt: skip
    return processor


def shown(client: Client, **given: Any) -> list[str]:
    html = client.get(reverse("admin:processors_event_changelist"), given).content.decode()
    return [action for action in ("pause", "end") if f'field-what">{action}' in html]


def test_events_are_filtered_by_who_what_when_and_whose(admin: Client, events: Processor) -> None:
    anna = User.objects.get(username="anna")

    assert shown(admin) == ["pause", "end"]
    assert shown(admin, actor=anna.pk) == ["pause"]
    assert shown(admin, actor="machine") == ["end"]
    assert shown(admin, action_is="end") == ["end"]
    assert shown(admin, within="24h") == ["pause"]
    assert shown(admin, processor=events.pk) == ["pause", "end"]
    assert shown(admin, processor=events.pk + 1) == []


def test_an_event_leads_to_what_it_is_about_and_shows_what_was_changed(
    sign_in: SignIn, admin: Client
) -> None:
    processor = a_processor()
    record = a_failed_record(
        processor, a_run(processor), payload={"city": "Köln", "token": "s3cr3t-of-theirs"}
    )
    admin.post(
        reverse("admin:processors_record_edit", args=[record.pk]),
        {"payload": '{"city": "Bonn"}', "visit": "1"},
    )
    event = Event.objects.get(action="edit-payload")
    url = reverse("admin:processors_event_change", args=[event.pk])

    html = admin.get(url).content.decode()
    assert reverse("admin:processors_record_change", args=[record.pk]) in html
    assert "Bonn" in html
    assert "Köln" in html
    assert "s3cr3t-of-theirs" not in html
    assert "Köln" not in sign_in("view_event").get(url).content.decode()
