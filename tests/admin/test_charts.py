"""Charts: what they say in words, and that they hold for odd numbers."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from processors.admin import history, throughput
from processors.admin.chart_table import thinned
from processors.admin.charts import Bar, area, bars, even, nice, round_time
from processors.admin.throughput import Stretch
from processors.models import RunHour
from processors.wording import duration
from tests.factories import make_processor, make_run

AT = datetime(2026, 3, 10, 12, 30, tzinfo=UTC)


def seconds(count: float) -> datetime:
    return AT + timedelta(seconds=count)


@pytest.mark.parametrize(
    ("value", "top"), [(0, 1), (1, 1), (3, 5), (17, 20), (21, 25), (2400, 2500), (0.3, 0.5)]
)
def test_the_top_line_is_a_round_number(value: float, top: float) -> None:
    assert nice(value) == pytest.approx(top)


@pytest.mark.parametrize(
    ("count", "top"), [(0, 2), (1, 2), (3, 4), (10, 10), (17, 20), (21, 50), (240, 250)]
)
def test_half_of_a_count_is_a_count(count: int, top: int) -> None:
    assert even(count) == top


@pytest.mark.parametrize(
    ("seconds", "top", "half"),
    [(0, "0.2 s", "0.1 s"), (19, "20 s", "10 s"), (25, "30 s", "15 s"), (55, "1 min", "30 s"),
     (3_000, "1 h", "30 min"), (80_000, "1 d", "12 h"), (200_000, "4 d", "2 d")],
)  # fmt: skip
def test_half_of_a_length_of_time_reads_as_well(seconds: float, top: str, half: str) -> None:
    found = round_time(seconds)

    assert found >= seconds
    assert (duration(found), duration(found / 2)) == (top, half)


def test_long_numbers_beside_a_chart_are_not_cut() -> None:
    short = bars([Bar([("ok", 8)], "")], "", duration, top=10)
    long = bars([Bar([("ok", 900)], "")], "", lambda value: f"{value:,.0f} records", top=1_000)

    widths = [int(re.findall(r'class="axis" width="(\d+)"', one)[0]) for one in (short, long)]

    assert widths == [44, 12 + 7 * len("1,000 records")]


def test_a_chart_says_what_it_shows() -> None:
    drawn = bars([Bar([("ok", 3), ("bad", 1)], "Monday: 4 runs", "Mon")], "4 runs, 1 failed.")

    assert 'aria-label="4 runs, 1 failed."' in drawn
    assert "<title>Monday: 4 runs</title>" in drawn
    assert "Mon</text>" in drawn


def test_the_smallest_part_can_be_seen() -> None:
    drawn = bars([Bar([("ok", 310_000), ("bad", 1)], "")], "")

    heights = [float(height) for height in re.findall(r'height="([\d.]+)" class="fill', drawn)]
    assert min(heights) >= 2


def test_charts_of_nothing_are_drawn() -> None:
    assert "<svg" in bars([], "None.")
    assert "<svg" in area([0.0], [""], "None.")


def test_text_in_a_chart_is_escaped() -> None:
    assert "<script>" not in bars([Bar([("ok", 1)], "<script>", "<script>")], "<script>")


# Throughput


def test_the_recent_rate_counts_the_share_of_a_batch_within_the_window() -> None:
    work = [Stretch(seconds(-120), seconds(0), 120)]

    assert throughput.recent_rate(work, AT) == pytest.approx(1)
    assert throughput.recent_rate([], AT) == 0


def test_the_series_spreads_batches_over_their_time() -> None:
    series = throughput.series([Stretch(seconds(0), seconds(60), 600)], seconds(60))

    assert series is not None
    assert series.rates == pytest.approx([10] * len(series.rates))


def test_one_outlier_does_not_flatten_the_rest() -> None:
    work = [Stretch(seconds(at), seconds(at + 1), 10) for at in range(200)]
    work.append(Stretch(seconds(50), seconds(50.1), 100_000))

    series = throughput.series(work, seconds(200))

    assert series is not None
    assert series.ceiling < max(series.rates) / 10


# History


@pytest.mark.django_db
def test_history_has_a_slot_for_every_day_and_hour() -> None:
    run = make_run(make_processor(), state="finished", started_at=AT, ended_at=AT, done=7)
    RunHour.count(run)

    days = history.of(None, "7d", AT)
    hours = history.of(None, "24h", AT)

    assert (len(days.slots), len(hours.slots)) == (7, 24)
    assert days.slots[-1].sums["records"] == hours.slots[-1].sums["records"] == 7
    assert (days.runs, days.success_rate) == (1, 100)


@pytest.mark.django_db
def test_the_first_run_is_in_the_history_at_once() -> None:
    processor = make_processor()
    before = history.of(None, "7d", AT)
    RunHour.count(make_run(processor, state="finished", started_at=AT, ended_at=AT))

    assert (before.runs, history.of(None, "7d", AT).runs) == (0, 1)


@pytest.mark.django_db
def test_history_leaves_out_what_is_hidden() -> None:
    processor = make_processor()
    RunHour.count(make_run(processor, state="finished", started_at=AT, ended_at=AT))

    assert history.of(None, "7d", AT, [processor.pk]).runs == 0


@pytest.mark.django_db
def test_a_run_that_was_stopped_is_no_failure() -> None:
    processor = make_processor()
    for state in ("stopped", "finished", "failed"):
        RunHour.count(make_run(processor, state=state, started_at=AT, ended_at=AT))

    assert history.of(processor, "30d", AT).success_rate == 50


# Their numbers


@pytest.mark.django_db
def test_the_numbers_of_a_chart_are_there_as_a_table() -> None:
    RunHour.count(make_run(state="finished", started_at=AT, ended_at=AT, done=3, dead=1))

    drawn = history.read(RunHour.objects.all(), "24h", AT).runs_chart()

    cells = re.findall(r'<td class="num">(\d+)</td>', drawn)
    assert cells == ["1", "0", "1", "0", "0"]
    assert drawn.count('<th scope="row">') == 1
    assert "<details" not in history.read(RunHour.objects.none(), "7d", AT).runs_chart()


def test_the_page_of_a_processor_tells_its_own_records_of_each_day(admin: Client) -> None:
    processor = make_processor()
    for owner, done in ((processor, 1234), (make_processor(), 5678)):
        ended = {"started_at": timezone.now(), "ended_at": timezone.now()}
        RunHour.count(make_run(owner, state="finished", done=done, dead=1, **ended))

    html = admin.get(processor.get_absolute_url()).content.decode()

    assert "Records: 1,235; 1 failed." in html
    assert '<td class="num">1,235</td>' in html
    assert "5,679" not in html


def test_a_long_line_is_told_by_a_few_of_its_points() -> None:
    assert list(thinned(range(3))) == [0, 1, 2]
    assert len(thinned(range(1000))) <= 24
    assert thinned(range(1000))[-1] == 999
    assert list(thinned([])) == []
