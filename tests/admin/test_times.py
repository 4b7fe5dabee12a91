"""Times as the person wants to read them: relative, in the browser's zone, or in UTC."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from processors import pause_all
from processors.acts import by_command_line
from processors.admin import asking
from processors.clock import database_now
from processors.models import Installation
from processors.protocol import all_paused
from processors.times import COOKIE, Choice
from processors.wording import stamp
from tests.admin.conftest import a_processor, a_run
from tests.admin.test_pause_all import a_click

pytestmark = pytest.mark.django_db

KOLKATA = "local:Asia/Kolkata"  # +05:30, without summer time
RUNS = "admin:processors_run_changelist"


def times_of(client: Client, mode: str) -> list[str]:
    if mode:
        client.cookies[COOKIE] = mode
    page = client.get(reverse(RUNS)).content.decode()
    return re.findall(r"<time[^>]*>[^<]*</time>", page)


def test_without_a_choice_times_are_relative_and_tick(admin: Client) -> None:
    a_run(a_processor(), started_at=database_now() - timedelta(hours=2))

    [time, *_] = times_of(admin, "")

    assert "2 h ago" in time
    assert "data-tick" in time


@pytest.mark.parametrize(("mode", "hours"), [("utc:", 0), (KOLKATA, 5.5)])
def test_a_chosen_zone_is_what_pages_are_written_in(admin: Client, mode: str, hours: float) -> None:
    at = database_now() - timedelta(days=30)
    a_run(a_processor(), started_at=at, ended_at=at + timedelta(minutes=1))
    there = at + timedelta(hours=hours)

    [time, *_] = times_of(admin, mode)

    assert f"{there:%H:%M}<" in time
    assert f"{there:%Y-%m-%d %H:%M:%S}" in time
    assert "data-tick" not in time


@pytest.mark.parametrize(
    ("days", "shown"), [(0, "18:00:00"), (3, "18 Nov., 18:00"), (300, "25 Jan. 2026, 18:00")]
)
def test_a_date_is_shown_where_it_is_not_today(days: int, shown: str) -> None:
    now = datetime(2026, 11, 21, 19, tzinfo=UTC)

    assert stamp(now - timedelta(days=days, hours=1), now) == shown


def test_the_end_of_a_pause_is_read_in_the_same_zone(admin: Client) -> None:
    Installation.make()
    admin.cookies[COOKIE] = KOLKATA
    day = (database_now() + timedelta(days=2)).date()

    admin.post(reverse("admin:pause_all"), a_click(until=f"{day}T06:00"))

    found = all_paused.current()
    assert found is not None
    assert found.until == datetime(day.year, day.month, day.day, 0, 30, tzinfo=UTC)


def test_a_sentence_names_the_zone_it_is_written_in(admin: Client) -> None:
    Installation.make()
    pause_all.pause_all(by_command_line("CRM"))
    admin.cookies[COOKIE] = KOLKATA

    page = admin.get(reverse("admin:index")).content.decode()

    assert re.search(r"since [^<]* IST: CRM", page)


def test_a_sentence_about_what_is_to_come_follows_the_choice(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)  # the same day there
    monkeypatch.setattr(asking, "database_now", lambda: now)
    late = now - timedelta(minutes=3)
    a_processor(state="started", trigger_kind="interval", next_due_at=late)

    relative = admin.get(reverse("admin:index")).content.decode()
    admin.cookies[COOKIE] = KOLKATA
    local = admin.get(reverse("admin:index")).content.decode()

    assert "was due 3 min ago and nobody began it" in relative
    assert "was due at 10:33:00 IST and nobody began it" in local


def test_the_switch_keeps_the_choice_in_a_cookie_and_leads_back(admin: Client) -> None:
    sent = {"mode": "local", "zone": "Asia/Kolkata", "next": reverse(RUNS)}

    answer = admin.post(reverse("admin:times"), sent)

    cookie = answer.cookies[COOKIE]
    assert (answer["Location"], cookie.value) == (reverse(RUNS), KOLKATA)
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert "Local times" in admin.get(reverse(RUNS)).content.decode()


@pytest.mark.parametrize(
    ("text", "mode", "zone"),
    [
        ("", "relative", ""),
        ("nonsense", "relative", ""),
        ("local:Asia/Kolkata", "local", "Asia/Kolkata"),
        ("local:../../etc/passwd", "local", ""),
        ("local:/etc/localtime", "local", ""),
        ("local:Mars/Base", "local", ""),
        ("local:" + "x" * 10_000, "local", ""),
        ("local:\x00", "local", ""),
        ("utc:Asia/Kolkata", "utc", "Asia/Kolkata"),
    ],
)
def test_a_cookie_that_makes_no_sense_is_the_usual_choice(text: str, mode: str, zone: str) -> None:
    assert Choice.parse(text) == Choice(mode, zone)


def test_the_switch_goes_round() -> None:
    assert [Choice(mode).following for mode in ("relative", "local", "utc")] == [
        "local",
        "utc",
        "relative",
    ]
