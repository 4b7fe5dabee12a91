"""Mode B: what a person's acts on a dead letter do to its row."""

import pytest

from processors import dead_letters
from processors.models import Processor
from processors.sources import open_source
from processors.sources.marked import MarkedTableSource
from tests.sources.marked.conftest import look_again, marks_of
from tests.stories import LATER, act, counters, define, run_here
from tests.tables import WORDS, Table

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "shop"])


def dead_row(goods: Table) -> Processor:
    goods.fill([1])
    goods.run("UPDATE goods SET name = 'reject'")
    processor = define("judge", goods.source())
    run_here(processor)
    assert goods.statuses() == {"ERROR": 1}
    return processor


def test_a_retried_row_is_held_until_it_is_tried(goods: Table) -> None:
    processor = dead_row(goods)

    dead_letters.retry(processor.pk, act(), dead_letters.Selection())

    assert goods.status(1) == marks_of(processor).held
    assert look_again() == 0
    goods.run("UPDATE goods SET name = 'good'")
    assert counters(run_here(processor)) == {"claimed": 1, "done": 1}
    assert goods.statuses() == {"DONE": 1}


def test_a_retry_that_its_row_did_not_hear_of_is_tried_all_the_same(
    goods: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor = dead_row(goods)
    monkeypatch.setattr(MarkedTableSource, "restore", lambda *_: None)

    dead_letters.retry(processor.pk, act(), dead_letters.Selection())
    goods.run("UPDATE goods SET name = 'good'")
    run_here(processor)

    assert goods.statuses() == {"DONE": 1}


def test_a_row_that_is_held_for_a_retry_that_is_over_is_failed_again(goods: Table) -> None:
    processor = dead_row(goods)
    goods.set_status(1, marks_of(processor).held)

    assert look_again() == 1
    assert goods.statuses() == {"ERROR": 1}


def test_a_discarded_row_gets_its_word(goods: Table) -> None:
    goods.fill([1])
    goods.run("UPDATE goods SET name = 'reject'")
    processor = define("judge", goods.source(words=WORDS | {"skipped": "LEFT"}))
    run_here(processor)

    dead_letters.discard(processor.pk, act(), dead_letters.Selection())

    assert goods.statuses() == {"LEFT": 1}


def test_the_backlog_counts_new_rows_and_those_that_wait(goods: Table) -> None:
    goods.fill([1, 2])
    goods.run("UPDATE goods SET name = 'retry' WHERE id = 1")
    processor = define("judge", goods.source(), backoff=LATER)
    run_here(processor)
    goods.fill([3])

    assert open_source(processor.pk, processor.source).backlog(100) == 2
