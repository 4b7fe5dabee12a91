"""Mode B: rows that are given back, taken from lost workers or swept are new again."""

import time
from typing import Any

import pytest

from processors import control, cycle, maintenance
from processors.clock import database_now
from processors.handlers import Record as Given
from processors.models import Batch, Installation, Processor, Record, Run
from processors.protocol import leases, reaping, reconciling
from processors.protocol.claiming import claim
from processors.protocol.gate import Ask
from processors.protocol.working import source_of
from processors.sources.base import Claimed
from processors.sources.marked import MarkedTableSource
from processors.states import RecordState
from tests.sources.marked.conftest import Deed, begun, look_again, marks_of, visits
from tests.stories import LATER, act, counters, define, judged, run_here
from tests.tables import WORDS, Table

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "shop"])


def test_rows_that_are_given_back_are_new_again(goods: Table, deeds: dict[str, Deed]) -> None:
    goods.fill(range(1, 6))
    processor = define("behind", goods.source())
    deeds["2"] = lambda _: control.stop(processor.pk, act())
    # So long that the worker sees that it was stopped.
    deeds["3"] = deeds["4"] = lambda _: time.sleep(0.02)

    run = run_here(processor)

    given_back = counters(run)["released"]
    assert goods.statuses() == {"DONE": 5 - given_back, "NEW": given_back}
    assert not Record.objects.exists()


@pytest.fixture
def lost(goods: Table, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose worker died after it had marked its rows, four of them."""
    goods.fill(range(1, 5))
    run = begun(define("outside", goods.source()))

    class Died(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr("processors.cycle.treatment.Treatment.treat", die)
        with pytest.raises(Died):
            cycle.work(run.pk)
    return run


def expire() -> None:
    """Two strikes against every open batch."""
    Batch.objects.leased().update(lease_until="2020-01-01 00:00:00+00:00")
    reaping.reap(database_now())
    reaping.reap(database_now())


def test_rows_of_a_lost_worker_are_new_again_or_wait_for_their_next_try(
    goods: Table, lost: Run
) -> None:
    assert all(marks_of(lost.processor).is_own(status) for status in goods.statuses())

    expire()
    in_doubt = Record.objects.count()
    assert goods.statuses()["NEW"] == 4 - in_doubt
    cycle.work(lost.pk)

    assert goods.statuses() == {"DONE": 4}
    assert set(visits()) == {"1", "2", "3", "4"}


def test_a_batch_that_was_taken_while_its_rows_were_marked_is_given_up_quietly(
    goods: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    goods.fill(range(1, 4))
    run = begun(define("outside", goods.source()))
    confirm = MarkedTableSource.confirm

    def too_slow(source: MarkedTableSource, claimed: list[Claimed]) -> list[Claimed]:
        expire()
        return confirm(source, claimed)[1:]

    with monkeypatch.context() as patch:
        patch.setattr(MarkedTableSource, "confirm", too_slow)
        patch.setattr("processors.queues.wake", lambda *_: True)
        cycle.work(run.pk)
    look_again()
    Record.objects.update(available_at=database_now())
    cycle.work(run.pk)

    assert goods.statuses() == {"DONE": 3}
    assert set(visits()) == {"1", "2", "3"}


def test_a_mark_that_a_worker_writes_after_it_was_replaced_is_swept(
    goods: Table, lost: Run
) -> None:
    late = marks_of(lost.processor).of(Batch.objects.get().pk)
    expire()
    Record.objects.all().delete()
    goods.run("UPDATE goods SET status = %s", [late])

    swept = look_again()

    assert swept == 4
    assert goods.statuses() == {"NEW": 4}
    assert source_of(lost).sweep() == 0


def test_of_runs_with_the_same_definition_the_table_is_swept_once(goods: Table) -> None:
    processor = define("outside", goods.source())
    for _ in range(2):
        run_here(processor)
    assert len(list(reconciling.sweepable(database_now()))) == 1

    Processor.objects.update(source=processor.source | {"words": WORDS | {"done": "READY"}})
    run_here(Processor.objects.get())

    assert len(list(reconciling.sweepable(database_now()))) == 2


def test_a_sweep_leaves_what_is_in_hand_or_waits_or_is_untold(
    goods: Table, deeds: dict[str, Deed]
) -> None:
    goods.fill([1, 2])
    processor = define("behind", goods.source(), backoff=LATER)
    swept = []

    def fail(_: Given) -> None:
        swept.append(look_again())
        raise ValueError("later")

    deeds["1"] = deeds["2"] = fail
    run_here(processor)

    assert swept == [0, 0]
    assert look_again() == 0
    assert all(marks_of(processor).is_own(status) for status in goods.statuses())
    assert Record.objects.filter(state=RecordState.READY).count() == 2


def test_a_row_that_waits_for_another_try_stays_marked_when_it_is_given_back(goods: Table) -> None:
    processor = judged(goods, "retry", backoff=LATER)
    Record.objects.update(available_at=database_now())
    run = begun(processor)
    lease = claim(source := source_of(run), Ask(run.pk, "worker"))
    assert lease
    lease.claimed = source.confirm(lease.claimed)

    leases.give_back(source, lease, now=database_now())

    [status] = goods.statuses()
    assert marks_of(processor).is_own(status)
    assert Record.objects.get().state == RecordState.READY


def test_a_row_that_waits_and_is_reset_by_its_owner_is_the_same_request(goods: Table) -> None:
    processor = judged(goods, "retry", backoff=LATER)

    goods.run("UPDATE goods SET status = 'NEW', name = 'good'")
    run_here(processor)
    Record.objects.update(available_at=database_now())
    run = run_here(processor)

    assert counters(run) == {"claimed": 1, "done": 1}
    assert goods.statuses() == {"DONE": 1}


def test_a_row_that_waits_and_was_taken_by_its_owner_is_parked(goods: Table) -> None:
    processor = judged(goods, "retry", backoff=LATER)

    goods.set_status(1, "MINE")
    Record.objects.update(available_at=database_now())
    run_here(processor)

    assert Record.objects.get().state == RecordState.PARKED
    assert goods.statuses() == {"MINE": 1}


def test_one_tick_looks_at_a_bounded_number_of_marked_rows(
    goods: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processors.sources.marked.SWEEP_ROWS", 3)
    goods.fill(range(1, 11))
    processor = define("outside", goods.source())
    run_here(processor)
    marks = marks_of(processor)
    for key in range(1, 11):
        goods.set_status(key, marks.of(10**6 + key))

    swept = [look_again() for _ in range(40)]

    assert max(swept) <= 3
    assert sum(swept) == 10
    assert goods.statuses() == {"NEW": 10}


def test_a_tick_reconciles(goods: Table) -> None:
    goods.fill([1])
    processor = define("outside", goods.source())
    run_here(processor)
    goods.set_status(1, marks_of(processor).of(10**6))
    Installation.objects.update(reaped_at="2020-01-01 00:00:00+00:00")

    assert maintenance.tick().synced == 1
    assert goods.statuses() == {"NEW": 1}
