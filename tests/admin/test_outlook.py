"""Paces are measured from runs and batches, and told on the page and by the command."""

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from processors.clock import database_now
from processors.management.reporting import forecast_words, report
from processors.models import Processor, Record
from processors.outlook import outlook
from processors.protocol.working import freeze
from tests.admin.conftest import SignIn, a_batch, a_processor, a_run, an_active_run
from tests.factories import make_lane

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)
CAP = 1_000


def a_cycle(
    processor: Processor, seq: int, *, ago: timedelta, now: datetime | None = None, **changes: Any
) -> None:
    """A minute's work of one worker: 60 records handled."""
    start = (now or database_now()) - ago
    counters = {"claimed": 60, "done": 59, "dead": 1}
    times = {"started_at": start, "ended_at": start + MINUTE}
    run = a_run(processor, seq, **{**times, **counters, **changes})
    a_batch(
        run, state="closed", opened_at=start, closed_at=start + MINUTE, **counters
    )  # fmt: skip


def regular_cycles(processor: Processor, count: int) -> None:
    """One in five minutes, each a minute long."""
    for seq in range(1, count + 1):
        a_cycle(processor, seq, ago=(20 - seq) * 5 * MINUTE)


def waiting(processor: Processor, count: int) -> None:
    now = database_now()
    Record.objects.bulk_create(
        Record(processor=processor, key=f"w-{n}", created_at=now, available_at=now)
        for n in range(count)
    )


def test_arrivals_are_what_waits_more_and_what_was_handled_between() -> None:
    processor, now = a_processor(), database_now()
    a_cycle(processor, 1, ago=20 * MINUTE, now=now, expected=60)
    a_cycle(processor, 2, ago=10 * MINUTE, now=now, expected=60)

    seen = outlook(processor, 1_080, 10_000, now)

    assert seen.paces.arriving == pytest.approx((1_080 - 60 + 120) / 1_200)
    assert seen.paces.each == pytest.approx(1)
    assert seen.workers_needed(3_600) == 2
    assert seen.seconds_to_empty(2) == pytest.approx(1_080 / 1.05)


def test_a_quiet_hour_is_judged_by_its_day() -> None:
    processor = a_processor()
    a_cycle(processor, 1, ago=timedelta(hours=10), expected=60)

    seen = outlook(processor, 0, CAP, database_now())

    assert seen.paces.arriving == 0
    assert seen.paces.each == pytest.approx(1)


def test_what_was_not_counted_is_not_guessed() -> None:
    processor = a_processor()
    a_cycle(processor, 1, ago=20 * MINUTE, expected=None)

    seen = outlook(processor, CAP, CAP, database_now())

    assert seen.is_capped
    assert seen.paces.arriving is None
    assert seen.workers_needed(60) is None
    assert seen.seconds_to_empty(1) is None


def test_an_active_run_counts_with_its_batches() -> None:
    processor, now = a_processor(), database_now()
    run = an_active_run(processor, 1, started_at=now - 2 * MINUTE, expected=100)
    a_batch(run, opened_at=now - 2 * MINUTE, claimed=100, done=60)

    seen = outlook(processor, 40, CAP, now)

    assert seen.paces.arriving == 0
    assert seen.paces.each == pytest.approx(0.5)


def test_the_measurement_asks_little(django_assert_max_num_queries: Any) -> None:
    processor = a_processor()
    for seq in range(1, 6):
        a_cycle(processor, seq, ago=(10 - seq) * 5 * MINUTE, expected=1)

    with CaptureQueriesContext(connection) as asked:
        outlook(processor, 1, CAP, database_now())

    assert len(asked) <= 4


@pytest.fixture
def admin(client: Client, sign_in: SignIn) -> Client:
    return sign_in("view_processor", "view_run", "view_record")


def page(client: Client, processor: Processor, **given: str) -> str:
    return client.get(processor.get_absolute_url(), given).content.decode()


def test_the_page_says_when_it_is_empty_and_how_many_workers_it_takes(admin: Client) -> None:
    processor = a_processor(parallelism=1)
    a_cycle(processor, 1, ago=20 * MINUTE, expected=60)
    waiting(processor, 120)
    by = f"{database_now() + timedelta(hours=2):%H:%M}"  # time enough, whatever the clock says

    html = page(admin, processor, by=by)

    assert "6.0/min over the last 20 min" in html
    assert "1.0/s while 1 worker works" in html
    assert "in about 2 min of work" in html
    assert f"1 worker empties it by {by} UTC." in html


def test_a_time_that_is_none_is_refused_in_words(admin: Client) -> None:
    html = page(admin, a_processor(), by="25:00")

    assert "is not a time of day: write it as 06:00." in html


def test_a_page_that_knows_nothing_says_so(admin: Client) -> None:
    html = page(admin, a_processor())

    assert "not known: too few cycles began in the last 24 h" in html
    assert "not known: nothing was handled in the last 24 h" in html
    assert "now: nothing waits" in html


def test_a_run_is_shown_beside_those_before_it(admin: Client) -> None:
    processor = a_processor()
    regular_cycles(processor, 6)
    start = database_now() - 4 * MINUTE
    slow = a_run(processor, 7, started_at=start, ended_at=start + 3 * MINUTE, claimed=9, done=9)

    for url in (slow.get_absolute_url(), processor.get_absolute_url()):
        html = admin.get(url).content.decode()

        assert "the 6 runs before it" in html
        assert "slower than usual" in html
        assert 'class="whisker"' in html


def test_a_run_with_too_few_before_it_is_beside_none(admin: Client) -> None:
    processor = a_processor()
    regular_cycles(processor, 4)

    assert 'id="figures"' not in page(admin, processor)


def held_back(**columns: Any) -> Processor:
    """One key has a hundred records waiting at one a minute; all else goes at one a second."""
    processor = a_processor(state="started", rate_limits=["1/min by customer"], **columns)
    a_cycle(processor, 1, ago=20 * MINUTE, expected=60)
    a_cycle(processor, 2, ago=10 * MINUTE, expected=60)
    make_lane(processor, "few", waiting=1)
    make_lane(processor, "many", waiting=100)
    return processor


def test_the_end_is_not_before_what_a_key_holds_back() -> None:
    processor, now = held_back(), database_now()

    seen = outlook(processor, 101, CAP, now)
    end = seen.earliest_end(5, now)

    assert end is not None
    assert 99 * MINUTE < end - now < 101 * MINUTE
    assert seen.earliest_end(0, now) == end
    assert seen.workers_needed(3_600) is None
    assert outlook(a_processor("mails"), 0, CAP, now).earliest_end(1, now) is None


@pytest.mark.usefixtures("still_clock")
def test_no_time_is_told_that_a_limit_of_a_key_makes_untrue(admin: Client) -> None:
    processor, start = held_back(), database_now() - MINUTE
    run = an_active_run(processor, started_at=start, config=freeze(processor))
    free = an_active_run(a_processor("mails"), started_at=start)
    for each in (run, free):
        a_batch(each, opened_at=start, claimed=5, done=5, lease_until=start + 60 * MINUTE)

    html, told = admin.get(processor.get_absolute_url()).text, report(processor, database_now())

    assert re.search(r"not before [^<]+: limits by a key hold records back", html)
    assert "hold records back, whoever works" in html
    assert " left" not in html.partition('id="forecast"')[0].partition("</h1>")[2]
    assert told["forecast"]["seconds_to_empty"] is None
    assert told["forecast"]["not_before"]
    assert "hold records back" in forecast_words(told["forecast"])
    assert re.search(r"about [^<]+ left", admin.get(free.processor.get_absolute_url()).text)
