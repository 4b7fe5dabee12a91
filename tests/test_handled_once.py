"""Every record of a source is handled once, whatever the source and however many workers."""

from collections import Counter
from collections.abc import Iterator

import pytest

from processors import control
from processors.models import Attempt, Record
from processors.states import RecordState, RunState
from tests.conftest import StartWorker
from tests.handling.models import Effect
from tests.stories import act, counters, define, fill_inbox, numbered, wait_for_end
from tests.tables import Table

ROWS = 2_000
WORKERS = 4


@pytest.fixture
def goods(transactional_db: None) -> Iterator[Table]:
    table = Table()
    table.fill(range(1, ROWS + 1))
    yield table
    table.drop()


@pytest.fixture
def foreign_goods(transactional_db: None) -> Iterator[Table]:
    table = Table("shop")
    table.fill(range(1, ROWS + 1))
    yield table
    table.drop()


def test_every_row_of_a_table_is_handled_once(goods: Table, start_worker: StartWorker) -> None:
    processor = define("effect", goods.source(), parallelism=WORKERS, batch_size=100)
    for _ in range(WORKERS):
        start_worker()

    run = wait_for_end(control.run_once(processor.pk, act()), seconds=180)

    assert counters(run) == {"claimed": ROWS, "done": ROWS}
    assert goods.statuses() == {"DONE": ROWS}
    assert Counter(Effect.objects.values_list("key", flat=True)).most_common(1)[0][1] == 1
    assert Effect.objects.count() == ROWS
    assert not Record.objects.exists()  # plain successes leave nothing to remember


@pytest.mark.django_db(databases=["default", "shop"], transaction=True)
def test_every_row_of_a_table_elsewhere_is_handled_once(
    foreign_goods: Table, start_worker: StartWorker
) -> None:
    processor = define(
        "outside", foreign_goods.source(words={"new": "NEW", "done": "DONE", "failed": "ERROR"}),
        parallelism=WORKERS, batch_size=100,
    )  # fmt: skip
    for _ in range(WORKERS):
        start_worker()

    run = wait_for_end(control.run_once(processor.pk, act()), seconds=180)

    assert counters(run) == {"claimed": ROWS, "done": ROWS}
    assert foreign_goods.statuses() == {"DONE": ROWS}
    assert sorted(Effect.objects.values_list("key", flat=True)) == sorted(
        str(n) for n in range(1, ROWS + 1)
    )
    assert not Record.objects.exists()


def test_every_record_of_an_inbox_is_handled_once(start_worker: StartWorker) -> None:
    processor = define("effect", parallelism=2, batch_size=100)
    fill_inbox(processor, numbered(ROWS))
    for _ in range(2):
        start_worker()

    run = wait_for_end(control.run_once(processor.pk, act()), seconds=180)

    assert run.state == RunState.FINISHED
    assert counters(run) == {"claimed": ROWS, "done": ROWS}
    assert Effect.objects.values("key").distinct().count() == Effect.objects.count() == ROWS
    assert set(Record.objects.values_list("state", flat=True)) == {RecordState.DONE}
    assert not Attempt.objects.exists()


@pytest.mark.parametrize(("handler", "concurrency"), [("waiting", 16), ("outside", 4)])
def test_records_handled_at_once_within_a_batch_are_handled_once(
    start_worker: StartWorker, handler: str, concurrency: int
) -> None:
    processor = define(handler, concurrency=concurrency, options={"seconds": 0.002}, batch_size=50)
    fill_inbox(processor, numbered(300))
    start_worker()
    start_worker()

    run = wait_for_end(control.run_once(processor.pk, act()), seconds=180)

    assert counters(run) == {"claimed": 300, "done": 300}
    assert Record.objects.filter(state=RecordState.DONE).count() == 300
    if handler == "outside":
        assert Effect.objects.values("key").distinct().count() == Effect.objects.count() == 300
