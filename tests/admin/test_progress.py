"""How far a run has come is told in records, of which each counts once."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import RequestFactory
from django.utils.html import strip_tags

from processors.admin import figures, looks, run_columns, throughput
from processors.admin.columns import NONE
from processors.admin.throughput import time_left
from processors.clock import database_now
from processors.models import Run
from tests.factories import make_batch, make_processor, make_run


def a_run(**counters: Any) -> Any:
    run: Any = Run(seq=3, state="running", started_at=datetime(2026, 3, 1, tzinfo=UTC), **counters)
    run.is_silent = False
    return run


def told(shown: str) -> str:
    return re.sub(r"\s+", " ", strip_tags(shown).replace("&nbsp;", " ")).strip()


@pytest.mark.parametrize(
    ("counters", "words"),
    [
        ({"expected": 400, "done": 100}, "25 % 100 of 400"),
        ({"expected": 400, "done": 99, "dead": 1, "retried": 300, "crashed": 2},
         "25 % 100 of 400 · 1 failed · 302 retries"),
        ({"expected": 415, "done": 415}, "100 % 415 of 415"),
        ({"expected": 402, "done": 739}, "739 so far, more came in"),
        ({"expected": None, "done": 1_200, "retried": 1}, "1,200 so far · 1 retry"),
    ],
)  # fmt: skip
def test_progress_is_never_more_than_the_whole(counters: dict[str, Any], words: str) -> None:
    assert told(run_columns.progress(a_run(**counters))) == words


def test_a_record_that_was_tried_again_is_one_record() -> None:
    run = a_run(expected=2_000, done=1_990, dead=10, retried=179)
    run.state, run.ended_at = "finished", run.started_at + timedelta(seconds=60)

    assert told(run_columns.outcome(run)) == "2,000 · 10 failed · 179 retries"
    assert told(run_columns.outcome(run, "records")) == "2,000 records · 10 failed · 179 retries"


def test_the_time_left_is_that_of_the_rest() -> None:
    assert time_left(a_run(expected=100, done=50), rate=10) == 5
    assert time_left(a_run(expected=100, retried=50), rate=0) is None
    assert time_left(a_run(expected=100, done=101), rate=10) is None


@pytest.mark.django_db
def test_retries_are_no_pace_and_bring_the_end_no_nearer(rf: RequestFactory) -> None:
    now = database_now()
    mixed, retrying = (make_run(make_processor(), expected=100) for _ in range(2))
    limited = make_run(make_processor(rate_limits=["6/min"]), expected=100)
    for run, done in ((mixed, 30), (retrying, 0), (limited, 30)):
        span = {"opened_at": now - timedelta(seconds=60), "closed_at": now}
        make_batch(run, state="closed", done=done, retried=70, **span)
    runs: list[Any] = [mixed, retrying, limited]

    looks.with_counters(runs, rf.get("/"))
    throughput.with_rates(runs, now)

    assert [run_columns.pace(run, "") for run in runs] == [
        "0.5/s · about 2 min left", "", "0.5/s · about 12 min left",
    ]  # fmt: skip
    assert all(run.is_moving for run in runs)


def test_a_run_of_retries_alone_had_no_rate() -> None:
    run = a_run(retried=70)
    run.ended_at = run.started_at + timedelta(seconds=0.21)

    assert run_columns.rate(run, run.ended_at) == NONE
    assert figures.pace(run) == 0
