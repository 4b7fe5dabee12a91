"""What starts next: the preview of a cron line, and the page of the next 24 hours."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse

from processors.admin import upcoming
from processors.admin.slots import preview
from processors.clock import database_now
from processors.management import reporting
from processors.protocol.set_times import begins_at
from tests.admin.conftest import SignIn, a_processor

pytestmark = pytest.mark.django_db

PREVIEW = "/admin/processors/processor/schedule-preview/"


def test_a_line_is_told_in_words_with_its_next_times(admin: Client) -> None:
    answer = admin.get(PREVIEW, {"cron": "30 2 * * *", "time_zone": "Europe/Berlin"}).json()

    assert "At 02:30" in answer["html"]
    assert answer["html"].count("<li>") == 5


def test_a_time_within_a_blackout_says_before_when_nothing_begins() -> None:
    now = datetime(2026, 12, 23, 12, tzinfo=UTC)

    shown = preview("0 3 * * *", "UTC", now, "12-24..01-01 UTC\nnot yet a bla").slots

    told = "blackout “12-24..01-01 UTC”: nothing begins before Sat 2 Jan. 2027, 00:00"
    assert {slot.closed for slot in shown} == {told}
    assert preview("0 3 * * *", "UTC", now, "Sat").slots[0].closed == ""


def test_a_bad_line_says_what_is_wrong(admin: Client) -> None:
    answer = admin.get(PREVIEW, {"cron": "99 * * * *", "time_zone": "UTC"}).json()

    assert "Minute must be 0–59" in answer["html"]  # noqa: RUF001
    assert "<li>" not in answer["html"]


def test_what_was_typed_comes_back_escaped(admin: Client) -> None:
    answer = admin.get(PREVIEW, {"cron": "<b> * * * *", "time_zone": "<script>"}).json()

    assert "<script>" not in answer["html"]
    assert "<b>" not in answer["html"].lower().replace("<b> *", "")


def test_the_preview_needs_a_right(sign_in: SignIn) -> None:
    assert sign_in().get(PREVIEW, {"cron": "* * * * *"}).status_code == 403
    assert sign_in("view_processor").get(PREVIEW, {"cron": "* * * * *"}).status_code == 200


def test_nothing_is_told_to_begin_before_a_blackout_ends(admin: Client) -> None:
    now = database_now().replace(second=0, microsecond=0)
    until = now + timedelta(hours=3)
    # An hour before its end it is on, whatever the day.
    hours = f"daily {until - timedelta(hours=2):%H:%M}-{until:%H:%M} UTC"
    common: dict[str, Any] = {"state": "started", "blackouts": [hours]}
    first, second = until - timedelta(minutes=90), until - timedelta(minutes=30)
    cron = f"{first:%M} {first:%H},{second:%H} * * *"
    cron_one = a_processor("nightly", trigger_kind="cron", cron=cron, time_zone="UTC",
                           next_due_at=first, next_slot_at=first, **common)  # fmt: skip
    a_processor("polling", trigger_kind="interval", pause_seconds=60, next_due_at=first, **common)
    end = until.isoformat(timespec="seconds")

    starts = upcoming.starts(upcoming.scheduled(User.objects.latest("pk")), now)
    pages = [admin.get(cron_one.get_absolute_url()), admin.get(reverse("admin:index"))]

    assert [(one.processor.slug, one.at) for one in starts] == [
        ("nightly", until), ("polling", until),
    ]  # fmt: skip
    assert reporting.overview(cron_one, now)["next_run_at"] == reporting.stamp(until)
    for page in pages:
        assert end in page.content.decode()
        assert first.isoformat(timespec="seconds") not in page.content.decode()


@pytest.mark.parametrize("also", [True, False])
def test_what_a_blackout_skips_is_not_told_to_begin_at_its_end(admin: Client, also: bool) -> None:
    due = database_now().replace(second=0, microsecond=0) + timedelta(hours=1)
    ends, outside = due + timedelta(hours=1), due + timedelta(hours=2)
    hours = f"daily {due - timedelta(hours=1):%H:%M}-{ends:%H:%M} UTC"
    processor = a_processor(
        state="started", trigger_kind="cron", time_zone="UTC", misfire="skip", blackouts=[hours],
        cron=f"{due:%M} {due:%H}{f',{outside:%H}' if also else ''} * * *",
        next_due_at=due, next_slot_at=due,
    )  # fmt: skip

    page = admin.get(processor.get_absolute_url()).content.decode()

    assert begins_at(processor, due) == (outside if also else None)
    assert [one.at for one in upcoming.starts([processor], due)] == [outside] * also
    assert ("never: blackouts cover it" in page) is not also


def test_a_moved_clock_is_marked_once() -> None:
    found = preview("0 12 * * *", "Europe/Berlin", datetime(2026, 3, 27, 13, tzinfo=UTC))

    assert [slot.note for slot in found.slots] == [
        "", "clocks go forward 1 h before", "", "", "",
    ]  # fmt: skip


def test_times_are_shown_in_both_zones_where_they_differ() -> None:
    found = preview("0 12 * * *", "Asia/Tokyo", datetime(2026, 3, 1, tzinfo=UTC))

    assert found.slots[0].there.endswith("12:00 JST")
    assert found.slots[0].here.endswith("03:00 UTC")
    assert not preview("0 12 * * *", "UTC", datetime(2026, 3, 1, tzinfo=UTC)).slots[0].here


# The next 24 hours


def started(slug: str, **columns: Any) -> None:
    due = database_now() + timedelta(minutes=5)
    a_processor(slug, **{"state": "started", "next_due_at": due, **columns})


def test_starts_are_listed_in_the_order_of_their_times(admin: Client) -> None:
    started("late", trigger_kind="interval", next_due_at=database_now() + timedelta(hours=5))
    started("early", trigger_kind="interval")
    started("tomorrow", trigger_kind="interval", next_due_at=database_now() + timedelta(hours=25))
    started("often", trigger_kind="cron", cron="* * * * *")
    started("waiting", trigger_kind="arrival")

    html = admin.get(reverse("admin:schedule")).content.decode()

    assert html.index("Early") < html.index("Late")
    assert "Tomorrow" not in html
    assert "and 300+ more" in html
    assert html.index("When a record arrives") < html.index("Waiting")


def test_times_that_blackouts_may_cover_are_not_counted(admin: Client) -> None:
    started("often", trigger_kind="cron", cron="* * * * *", blackouts=["2001-01-01"])

    html = admin.get(reverse("admin:schedule")).content.decode()

    assert "and more, as its blackouts leave them" in html


def test_nothing_is_listed_that_does_not_start(admin: Client) -> None:
    started("broken", trigger_kind="interval", fault_reason="The table is gone.")
    a_processor("stopped", trigger_kind="interval")

    assert "has a set time" in admin.get(reverse("admin:schedule")).content.decode()


def test_the_schedule_is_for_who_may_see_processors(sign_in: SignIn) -> None:
    hidden = a_processor("hidden", state="started", trigger_kind="arrival")
    hidden.groups.add(Group.objects.create(name="others"))

    assert sign_in().get(reverse("admin:schedule")).status_code == 403
    html = sign_in("view_processor").get(reverse("admin:schedule")).content.decode()
    assert "Hidden" not in html
