"""How far a run has come is told in records, of which each counts once."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils.html import strip_tags

from processors.admin import run_columns
from processors.admin.throughput import time_left
from processors.models import Run


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


def test_retries_bring_the_end_no_nearer() -> None:
    assert time_left(a_run(expected=100, done=50), rate=10) == 5
    assert time_left(a_run(expected=100, done=50, retried=50), rate=10) == 10
    assert time_left(a_run(expected=100, retried=50), rate=10) is None
    assert time_left(a_run(expected=100, done=101), rate=10) is None
