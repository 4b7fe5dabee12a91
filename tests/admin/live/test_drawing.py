"""What costs much is drawn only when it says something new, and not all of it for one poll."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from processors import control
from processors.acts import by_command_line
from processors.admin import asking, looks, run_page, slow_cards
from processors.admin.processor_page import LIVE_MS
from processors.clock import database_now
from processors.models import Batch, Processor, Run
from tests.admin.conftest import a_batch, a_failed_record, a_run
from tests.admin.live.conftest import poll_as_seen
from tests.factories import make_processor

pytestmark = pytest.mark.django_db

CARDS = {"facts", "runs", "errors", "events"}


def regions(html: str) -> set[str]:
    return set(re.findall(r'data-live="([^"]+)"', html))


@pytest.mark.usefixtures("still_clock")
def test_of_several_new_cards_each_poll_is_sent_one(
    admin: Client, history: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slow_cards, "FRESH_SECONDS", 0)
    processor = history["processor"]
    shown = admin.get(processor.get_absolute_url()).text
    control.start(processor.pk, by_command_line("the CRM is back"))
    a_failed_record(processor, a_run(processor, 7), "B-1", fingerprint="e" * 32)

    sent = []
    for _ in range(len(CARDS) + 1):
        html = poll_as_seen(admin, processor.get_absolute_url(), shown).text
        sent.append(regions(html) & CARDS)
        shown += html

    assert list(map(len, sent)) == [1, 1, 1, 1, 0]
    assert set.union(*sent) == CARDS


def test_a_run_that_goes_on_renews_what_moves_and_reads_no_other_run(
    admin: Client, history: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    url = history["processor"].get_absolute_url()
    page = admin.get(url).text
    Batch.objects.filter(run=history["active"]).update(claimed=9, done=8)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a poll read runs that are the same")

    monkeypatch.setattr(looks, "last_runs", refuse)
    html = poll_as_seen(admin, url, page).text

    assert {"in-hand", f"run-{history['active'].pk}"} <= regions(html)
    assert regions(html).isdisjoint(CARDS)
    assert html.count("8 of 10") == 2


def test_cards_take_turns_where_run_follows_run(
    admin: Client, history: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    processor, began = history["processor"], round_time(database_now())
    shown = admin.get(processor.get_absolute_url()).text

    sent = []
    for number in range(4):
        a_run(processor, 20 + number)
        stand_at(began + timedelta(milliseconds=number * LIVE_MS), monkeypatch)
        html = poll_as_seen(admin, processor.get_absolute_url(), shown).text
        sent.append(regions(html) & CARDS)
        shown += html

    assert sent[:2] in ([{"runs"}, {"facts"}], [{"facts"}, {"runs"}])
    assert sent[2:] == sent[:2]


def test_the_end_of_a_run_renews_what_is_made_of_the_newest_ones(
    admin: Client, history: dict[str, Any]
) -> None:
    url = history["processor"].get_absolute_url()
    page = admin.get(url).text
    Batch.objects.filter(run=history["active"]).delete()
    Run.objects.filter(pk=history["active"].pk).update(
        state="finished", ended_at=database_now(), claimed=10, done=10
    )

    first = poll_as_seen(admin, url, page).text
    second = poll_as_seen(admin, url, page + first).text

    assert {"badge", "buttons"} <= regions(first)
    assert {"runs", "facts"} <= regions(first + second)
    assert "Last 2 runs: 1 with failures" in first + second


def test_the_chart_of_a_run_is_drawn_again_after_some_seconds(
    admin: Client, history: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, began = history["active"].get_absolute_url(), round_time(database_now())
    stand_at(began, monkeypatch)
    page = admin.get(url).text
    a_batch(history["active"], slot=4, state="closed", claimed=5, done=5, closed_at=began)

    stand_at(began + timedelta(seconds=run_page.CHART_SECONDS - 1), monkeypatch)
    sooner = poll_as_seen(admin, url, page).text
    stand_at(began + timedelta(seconds=run_page.CHART_SECONDS), monkeypatch)
    later = poll_as_seen(admin, url, page).text

    assert ["throughput" in regions(html) for html in (sooner, later)] == [False, True]
    assert "8 of 10" in sooner


@pytest.mark.usefixtures("still_clock")  # else the chart may have the turn
def test_errors_of_a_run_are_grouped_again_when_another_record_failed(
    admin: Client, history: dict[str, Any]
) -> None:
    url = history["active"].get_absolute_url()
    page = admin.get(url).text
    same = poll_as_seen(admin, url, page).text
    a_failed_record(history["processor"], history["active"], "B-1", fingerprint="e" * 32)

    other = poll_as_seen(admin, url, page).text

    assert ["groups" in regions(html) for html in (same, other)] == [False, True]


def test_the_cards_of_a_run_take_turns_until_it_ends(
    admin: Client, history: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, began = history["active"].get_absolute_url(), round_time(database_now())
    stand_at(began, monkeypatch)
    page = admin.get(url).text
    a_failed_record(history["processor"], history["active"], "B-1", fingerprint="e" * 32)

    stand_at(began + timedelta(seconds=run_page.CHART_SECONDS), monkeypatch)
    first = poll_as_seen(admin, url, page).text
    second = poll_as_seen(admin, url, page + first).text
    Run.objects.filter(pk=history["active"].pk).update(
        state="finished", ended_at=database_now(), claimed=1, dead=1
    )
    last = poll_as_seen(admin, url, page).text

    cards = {"throughput", "groups"}
    drawn = [cards & regions(html) for html in (first, second, last)]
    assert drawn == [{"throughput"}, {"groups"}, cards]


def round_time(now: datetime) -> datetime:
    """The beginning of a stretch of time in which the chart stays."""
    return datetime.fromtimestamp(
        now.timestamp() // run_page.CHART_SECONDS * run_page.CHART_SECONDS, tz=now.tzinfo
    )


def stand_at(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages take this for the present."""
    monkeypatch.setattr(asking, "database_now", lambda: now)


def test_the_overview_renews_what_starts_next_and_draws_it_only_then(admin: Client) -> None:
    soon, url = database_now() + timedelta(minutes=5), reverse("admin:index")
    nightly = make_processor("n", trigger_kind="interval", state="started", next_due_at=soon)
    page = admin.get(url).text

    unchanged = poll_as_seen(admin, url, page).text
    Processor.objects.filter(pk=nightly.pk).update(next_due_at=soon + timedelta(minutes=7))
    renewed = poll_as_seen(admin, url, page).text

    assert ["Next 24 hours" in one for one in (page, unchanged, renewed)] == [True, False, True]
