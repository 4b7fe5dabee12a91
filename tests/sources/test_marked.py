"""Mode B: rows of a table in another database are marked with the token of their batch."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.db import OperationalError, connections
from django.db.models import F

from processors import control, cycle, dead_letters, maintenance
from processors.clock import database_now
from processors.handlers import Context, Handler, registry
from processors.handlers import Record as Given
from processors.models import Attempt, Batch, Installation, Processor, Record, Run
from processors.protocol import reaping, reconciling
from processors.protocol.working import source_of
from processors.sources import open_source
from processors.sources.foreign import ForeignTableSource
from processors.sources.inspection import inspect_source
from processors.sources.marked import MarkedTableSource
from processors.sources.marks import Marks
from processors.states import RecordState
from tests.handling.models import Effect
from tests.stories import act, counters, define, run_here, wait_for_end
from tests.tables import WORDS, Table

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "shop"])

Deed = Callable[[Given], Any]


@pytest.fixture
def goods() -> Iterator[Table]:
    table = Table("shop")
    yield table
    table.drop()


@pytest.fixture
def deeds() -> Iterator[dict[str, Deed]]:
    """What the handler `handling.behind` does with a record, by its key, after its effect."""
    found: dict[str, Deed] = {}

    def behind(record: Given, context: Context) -> Any:
        Effect.objects.create(
            key=record.key, idempotency_key=context.idempotency_key, run=0, pid=0, begun_at=0
        )
        deed = found.get(record.key)
        return deed(record) if deed else None

    registry.add(Handler("handling.behind", "Behind", behind, "outside", None))
    yield found
    del registry._handlers["handling.behind"]


def marks_of(processor: Processor) -> Marks:
    source = open_source(processor.pk, processor.source)
    assert isinstance(source, MarkedTableSource)
    return source.marks


def look_again() -> int:
    return reconciling.reconcile(database_now())


def begun(processor: Processor) -> Run:
    return control.run_once(processor.pk, act())


def visits() -> Counter[str]:
    """How often each key was handled; never twice under one idempotency key."""
    keys = Counter(Effect.objects.values_list("idempotency_key", flat=True))
    assert set(keys.values()) <= {1}
    return Counter(Effect.objects.values_list("key", flat=True))


# What decides


def a_source(**changes: Any) -> dict[str, Any]:
    return Table("shop").source(**changes)


def test_a_text_column_with_room_is_marked() -> None:
    assert inspect_source(a_source()).normal["mode"] == "B"


@pytest.mark.parametrize(
    "words", [WORDS | {"claimed": None}, WORDS | {"claimed": ""}, WORDS | {"claimed": "PROCESSING"}]
)
def test_without_a_word_or_the_room_for_a_mark_rows_are_not_marked(words: dict[str, Any]) -> None:
    found = inspect_source(a_source(words=words))

    assert found.problems == {}
    assert found.normal["mode"] == "C"


@pytest.mark.parametrize("rows", [0, 1])
def test_a_table_with_a_check_on_its_status_is_not_marked(rows: int) -> None:
    table = Table("shop")
    table.drop()
    allowed = ", ".join(f"'{word}'" for word in WORDS.values())
    table.run(
        "CREATE TABLE goods (id bigint PRIMARY KEY, name text,"
        f" status varchar(20) NOT NULL DEFAULT 'NEW' CHECK (status IN ({allowed})))"
    )
    table.fill(range(rows))

    found = inspect_source(table.source())

    assert found.problems == {}
    assert found.normal["mode"] == "C"
    table.drop()


def test_a_whole_number_is_not_marked() -> None:
    table = Table("shop")
    table.drop()
    table.run("CREATE TABLE goods (id bigint PRIMARY KEY, name text, status integer)")

    words = {"new": 0, "claimed": 1, "done": 2, "failed": 3}
    found = inspect_source(table.source(words=words))

    assert found.problems == {}
    assert found.normal["mode"] == "C"
    table.drop()


def test_marks_of_two_processors_differ_and_know_their_own() -> None:
    first, second = Marks("TAKEN", "here", 1), Marks("TAKEN", "here", 2)

    assert first.is_own(first.of(17))
    assert first.is_own(first.held)
    assert first.first <= first.of(17) <= first.last
    assert not first.is_own(second.of(17))
    assert not first.is_own("TAKEN")
    assert len({first.of(n) for n in range(1000)}) == 1000


# In hand


def test_a_row_in_hand_is_marked_and_then_done(goods: Table, deeds: dict[str, Deed]) -> None:
    goods.fill([1, 2])
    processor = define("behind", goods.source())
    seen = []
    deeds["1"] = lambda _: seen.append(goods.status(1))

    run = run_here(processor)

    assert marks_of(processor).is_own(seen[0])
    assert counters(run) == {"claimed": 2, "done": 2}
    assert goods.statuses() == {"DONE": 2}
    assert not Record.objects.exists()


@pytest.mark.parametrize(
    "deed",
    ["UPDATE goods SET status = 'MINE' WHERE id = 2", "DELETE FROM goods WHERE id = 2"],
)
def test_a_row_that_its_owner_changes_in_hand_is_parked(
    goods: Table, deeds: dict[str, Deed], deed: str
) -> None:
    goods.fill([1, 2, 3])
    processor = define("behind", goods.source())
    deeds["2"] = lambda _: goods.run(deed)

    run = run_here(processor)

    assert counters(run) == {"claimed": 3, "done": 2, "parked": 1}
    parked = Record.objects.get()
    assert (parked.key, parked.state, parked.synced) == ("2", RecordState.PARKED, True)
    assert Attempt.objects.get().error_type == "ChangedMeanwhile"
    assert goods.statuses() == {"DONE": 2} | ({"MINE": 1} if "UPDATE" in deed else {})


def test_a_row_that_is_reset_in_hand_is_handled_once_more_and_not_at_once(
    goods: Table, deeds: dict[str, Deed]
) -> None:
    goods.fill([1, 2])
    processor = define("behind", goods.source(), batch_size=1)
    deeds["1"] = lambda _: goods.set_status(1, "NEW") if visits()["1"] == 1 else None

    run_here(processor)
    before = visits()["1"]
    run_here(processor)
    run_here(processor)

    assert before == 1
    assert visits() == {"1": 2, "2": 1}
    assert goods.statuses() == {"DONE": 2}


def test_a_row_that_its_owner_takes_between_claim_and_mark_is_left_alone(
    goods: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    goods.fill([1, 2])
    processor = define("outside", goods.source())
    confirm = MarkedTableSource.confirm

    def late(source: MarkedTableSource, claimed: Any) -> Any:
        goods.set_status(1, "MINE")
        return confirm(source, claimed)

    monkeypatch.setattr(MarkedTableSource, "confirm", late)
    run = run_here(processor)

    assert counters(run) == {"claimed": 2, "done": 1, "released": 1}
    assert goods.statuses() == {"MINE": 1, "DONE": 1}
    assert not Record.objects.exists()


def test_a_table_that_goes_away_at_the_mark_blames_nobody(
    goods: Table, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.LEASE_SECONDS = 0.4
    goods.fill([1, 2])
    processor = define("outside", goods.source())
    run = begun(processor)
    mark = MarkedTableSource._mark

    def cut(source: MarkedTableSource, *args: Any) -> Any:
        mark(source, *args)
        raise OperationalError("the answer was lost")

    with monkeypatch.context() as patch:
        patch.setattr(MarkedTableSource, "_mark", cut)
        cycle.work(run.pk)
    assert goods.statuses() == {"NEW": 2}
    assert not Attempt.objects.exists()
    cycle.work(run.pk)

    run.refresh_from_db()
    assert counters(run) == {"claimed": 4, "released": 2, "done": 2}
    assert visits() == {"1": 1, "2": 1}


def test_a_mark_whose_answer_was_lost_is_written_again(
    goods: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    goods.fill([1, 2])
    processor = define("outside", goods.source())
    mark = MarkedTableSource._mark
    lost: list[bool] = []

    def cut_once(source: MarkedTableSource, *args: Any) -> Any:
        rows = mark(source, *args)
        if not lost:
            lost.append(True)
            raise OperationalError("the answer was lost")
        return rows

    monkeypatch.setattr(MarkedTableSource, "_mark", cut_once)
    run = run_here(processor)

    assert counters(run) == {"claimed": 2, "done": 2}
    assert visits() == {"1": 1, "2": 1}


# What became of them: F74 and F75


def test_a_row_reset_while_its_outcome_is_noted_is_visited_exactly_once_more(
    goods: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    goods.fill([1])
    processor = define("outside", goods.source())
    note = ForeignTableSource._note_synced

    def reset_first(source: ForeignTableSource, records: Any) -> int:
        goods.run("UPDATE goods SET status = 'NEW' WHERE status = 'DONE'")
        return note(source, records)

    with monkeypatch.context() as patch:
        patch.setattr(ForeignTableSource, "_note_synced", reset_first)
        run_here(processor)
    run_here(processor)
    run_here(processor)

    assert visits() == {"1": 2}
    assert goods.statuses() == {"DONE": 1}


def test_a_row_reset_after_its_teller_died_is_visited_exactly_once_more(
    goods: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    goods.fill([1])
    processor = define("outside", goods.source())
    with monkeypatch.context() as patch:
        patch.setattr(ForeignTableSource, "_note_synced", lambda *_: 0)
        run_here(processor)
    assert Record.objects.get().synced is False

    goods.set_status(1, "NEW")
    first = run_here(processor)  # the claim leaves what its table has not heard alone
    look_again()
    run_here(processor)

    assert counters(first).get("claimed", 0) <= 1
    assert visits() == {"1": 2}
    assert goods.statuses() == {"DONE": 1}


def test_outcomes_that_a_table_did_not_hear_are_told_by_a_tick(
    goods: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    goods.fill(range(1, 6))
    goods.run("UPDATE goods SET name = 'reject' WHERE id = 5")
    processor = define("judge", goods.source(error="error"))

    def away(*_: Any) -> None:
        raise OperationalError("connection refused")

    with monkeypatch.context() as patch:
        patch.setattr(MarkedTableSource, "write_exactly", away)
        run = run_here(processor)
        untold = Record.objects.untold().count()
        assert look_again() == 0
    told = look_again()

    assert counters(run) == {"claimed": 5, "done": 4, "dead": 1}
    assert (untold, told) == (5, 5)
    assert goods.statuses() == {"DONE": 4, "ERROR": 1}
    assert Record.objects.get().state == RecordState.DEAD
    assert look_again() == 0


def test_what_is_told_and_not_cleared_away_is_told_again(goods: Table) -> None:
    goods.fill(range(1, 4))
    processor = define("outside", goods.source())

    def die(execute: Any, sql: str, *rest: Any) -> Any:
        if sql.startswith('DELETE FROM "processors_record"'):
            raise OperationalError("server closed the connection unexpectedly")
        return execute(sql, *rest)

    with connections["default"].execute_wrapper(die):
        run_here(processor)

    assert Record.objects.untold().count() == 3
    assert look_again() == 3
    assert not Record.objects.exists()


def test_a_late_teller_notes_nothing_of_a_later_outcome(goods: Table) -> None:
    goods.fill([1])
    goods.run("UPDATE goods SET name = 'reject'")
    processor = define("judge", goods.source())
    run_here(processor)
    old = list(Record.objects.all())
    Record.objects.update(synced=False, batch_id=F("batch_id") + 1)

    source = open_source(processor.pk, processor.source)

    assert isinstance(source, ForeignTableSource)
    assert source._note_synced(old) == 0
    assert Record.objects.get().synced is False


def test_an_outcome_that_the_table_refuses_does_not_hold_up_the_others() -> None:
    goods = Table("shop")
    goods.drop()
    goods.run(
        "CREATE TABLE goods (id bigint PRIMARY KEY, name text, status varchar(20) DEFAULT 'NEW',"
        " result text CHECK (length(result) < 25), error text)"
    )
    goods.fill(range(1, 6))
    goods.run("UPDATE goods SET name = 'a name that is much too long' WHERE id = 4")
    processor = define("echo", goods.source(result="result", error="error"))
    assert processor.source["mode"] == "B"

    run_here(processor)

    assert goods.statuses() == {"DONE": 5}
    kept = Record.objects.get()
    assert kept.key == "4"
    assert "refused the outcome" in kept.last_error
    goods.drop()


def test_outcomes_are_told_in_the_words_their_run_began_with(
    goods: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    goods.fill([1])
    processor = define("outside", goods.source())
    with monkeypatch.context() as patch:
        patch.setattr(MarkedTableSource, "publish_outcomes", lambda *_: None)
        patch.setattr(MarkedTableSource, "reconcile", lambda *_: 0)
        run_here(processor)
    changed = processor.source | {"words": WORDS | {"claimed": "BUSY", "done": "READY"}}
    Processor.objects.update(source=changed)

    look_again()

    assert goods.statuses() == {"DONE": 1}


# Given back, taken back


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


def lost_batch(processor: Processor, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run whose worker died after it had marked its rows."""
    run = begun(processor)

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
    goods: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    goods.fill(range(1, 5))
    processor = define("outside", goods.source())
    run = lost_batch(processor, monkeypatch)
    assert all(marks_of(processor).is_own(status) for status in goods.statuses())

    expire()
    in_doubt = Record.objects.count()
    assert goods.statuses()["NEW"] == 4 - in_doubt
    cycle.work(run.pk)

    assert goods.statuses() == {"DONE": 4}
    assert set(visits()) == {"1", "2", "3", "4"}


def test_a_mark_that_a_worker_writes_after_it_was_replaced_is_swept(
    goods: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    goods.fill(range(1, 4))
    processor = define("outside", goods.source())
    run = lost_batch(processor, monkeypatch)
    late = marks_of(processor).of(Batch.objects.get().pk)
    expire()
    Record.objects.all().delete()
    goods.run("UPDATE goods SET status = %s", [late])

    swept = look_again()

    assert swept == 3
    assert goods.statuses() == {"NEW": 3}
    assert source_of(run).sweep() == 0


def test_a_sweep_leaves_what_is_in_hand_or_waits_or_is_untold(
    goods: Table, deeds: dict[str, Deed]
) -> None:
    goods.fill([1, 2])
    backoff = {"base_seconds": 600, "cap_seconds": 600}
    processor = define("behind", goods.source(), backoff=backoff)
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


def test_a_row_that_waits_and_is_reset_by_its_owner_is_the_same_request(goods: Table) -> None:
    goods.fill([1])
    goods.run("UPDATE goods SET name = 'retry'")
    backoff = {"base_seconds": 600, "cap_seconds": 600}
    processor = define("judge", goods.source(), backoff=backoff)
    run_here(processor)

    goods.run("UPDATE goods SET status = 'NEW', name = 'good'")
    run_here(processor)
    Record.objects.update(available_at=database_now())
    run = run_here(processor)

    assert counters(run) == {"claimed": 1, "done": 1}
    assert goods.statuses() == {"DONE": 1}


def test_a_row_that_waits_and_was_taken_by_its_owner_is_parked(goods: Table) -> None:
    goods.fill([1])
    goods.run("UPDATE goods SET name = 'retry'")
    backoff = {"base_seconds": 600, "cap_seconds": 600}
    processor = define("judge", goods.source(), backoff=backoff)
    run_here(processor)

    goods.set_status(1, "MINE")
    Record.objects.update(available_at=database_now())
    run_here(processor)

    assert Record.objects.get().state == RecordState.PARKED
    assert goods.statuses() == {"MINE": 1}


# A person's acts


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
    backoff = {"base_seconds": 600, "cap_seconds": 600}
    processor = define("judge", goods.source(), backoff=backoff)
    run_here(processor)
    goods.fill([3])

    assert open_source(processor.pk, processor.source).backlog(100) == 2


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


# A hostile owner


class Owner:
    """Does to random rows whatever an owner may do, as fast as he can."""

    def __init__(self, goods: Table, keys: range, seed: int) -> None:
        self.goods, self.keys, self.random = goods, keys, random.Random(seed)
        self.asked = Counter[str]()
        self.leaving = threading.Event()
        self.thread = threading.Thread(target=self.meddle)

    def meddle(self) -> None:
        while not self.leaving.is_set():
            key = self.random.choice(self.keys)
            with suppress(OperationalError):  # SQLite: somebody else was writing
                self.random.choice([self.reset, self.reset, self.take, self.finish, self.renew])(
                    key
                )
            time.sleep(0.002)
        connections["shop"].close()

    def reset(self, key: int) -> None:
        self.asked[str(key)] += 1  # before it counts: never fewer than were there
        self.goods.set_status(key, "NEW")

    def take(self, key: int) -> None:
        self.goods.set_status(key, "MINE")

    def finish(self, key: int) -> None:
        self.goods.set_status(key, "DONE")

    def renew(self, key: int) -> None:
        self.goods.run("DELETE FROM goods WHERE id = %s", [key])
        self.asked[str(key)] += 1
        self.goods.fill([key])


def work_and_close(run_id: int) -> None:
    try:
        cycle.work(run_id)
    finally:
        connections.close_all()


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_an_owner_does_nothing_is_handled_twice(
    goods: Table, deeds: dict[str, Deed], seed: int
) -> None:
    keys = range(1, 21)
    goods.fill(keys)
    processor = define("behind", goods.source(), batch_size=4, parallelism=2)
    for key in keys:
        deeds[str(key)] = lambda _: time.sleep(0.002)
    owner = Owner(goods, keys, seed)

    owner.thread.start()
    for _ in range(4):
        run = begun(processor)
        workers = [threading.Thread(target=work_and_close, args=[run.pk]) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        wait_for_end(run)
    owner.leaving.set()
    owner.thread.join()
    look_again()
    run_here(processor)

    handled = visits()  # which looks that no idempotency key was handled twice
    assert all(handled[str(key)] <= 1 + owner.asked[str(key)] for key in keys)
    assert set(goods.statuses()) <= {"DONE", "MINE"}
    assert not Record.objects.untold().exists()
    assert not Batch.objects.leased().exists()
