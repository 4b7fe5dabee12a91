"""A table that is no longer as it was defined stops its processor; nobody waits for it."""

from collections.abc import Callable, Iterator

import pytest
from django.db import DatabaseError, OperationalError, connection, transaction

from processors import control, cycle, maintenance
from processors.clock import database_now
from processors.force_stop import force_stop
from processors.models import Batch, Processor, Record, Run
from processors.protocol import faults, reaping, reconciling
from processors.protocol.claiming import claim
from processors.protocol.gate import Ask
from processors.protocol.leases import Step, commit_inside
from processors.protocol.working import source_of
from processors.sources.base import Settlement
from processors.sources.connecting import Unreachable
from processors.states import CloseReason, ProcessorState, RecordState, RunState
from tests.factories import make_processor, make_run, make_table_source
from tests.stories import act, define, faulted
from tests.tables import Table

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "shop"])


@pytest.fixture
def goods() -> Iterator[Table]:
    table = Table()
    table.fill(range(1, 301))
    yield table
    table.run("DROP TABLE IF EXISTS goods")


def work_after(processor: Processor, meanwhile: Callable[[], object]) -> Run:
    """A cycle that a worker comes to when something has happened to its table."""
    run = control.run_once(processor.pk, act())
    meanwhile()
    cycle.work(run.pk)
    run.refresh_from_db()
    return run


def test_a_table_that_was_dropped_stops_the_processor_before_a_run(goods: Table) -> None:
    processor = define("echo", goods.source(), trigger={"kind": "interval", "pause_seconds": 5})
    control.start(processor.pk, act())
    cycle.work(Run.objects.get().pk)
    goods.run("DROP TABLE goods")
    Processor.objects.update(next_due_at=database_now(), next_slot_at=database_now())

    maintenance.tick()

    assert "table 'goods' in 'default'" in faulted(processor)
    assert processor.state == ProcessorState.STOPPED


def test_a_database_that_is_not_configured_puts_a_cycle_off_in_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = make_table_source(1) | {"database": "erp"}
    due = {"next_due_at": database_now(), "next_slot_at": database_now()}
    make_processor("rows", source=source, trigger_kind="interval", state="started", **due)

    maintenance.tick()

    [said] = [one for one in caplog.records if "could not begin" in one.getMessage()]
    assert said.getMessage().endswith("'erp' is not known here: set DATABASE_URL_ERP.")
    assert said.exc_info is None


def test_a_table_that_is_dropped_in_a_run_stops_it(goods: Table) -> None:
    processor = define("echo", goods.source())

    run = work_after(processor, goods.drop)

    assert run.state == RunState.FAILED
    assert "goods" in faulted(processor)


def test_a_column_that_is_dropped_in_a_run_costs_what_was_in_hand(goods: Table) -> None:
    processor = define("echo", goods.source(result="result"))

    run = work_after(processor, lambda: goods.run("ALTER TABLE goods DROP COLUMN result"))

    assert run.state == RunState.FAILED
    assert "result" in faulted(processor)
    assert goods.statuses() == {"NEW": 299, "TAKEN": 1}
    assert Record.objects.get().state == RecordState.READY


def error_of(sql: str) -> DatabaseError:
    """What our database says to this."""
    with pytest.raises(DatabaseError) as caught, connection.cursor() as cursor:
        cursor.execute(sql)
    return caught.value


def test_trouble_that_is_no_changed_table_of_the_users_stops_nothing(goods: Table) -> None:
    rows, inbox = define("echo", goods.source()), define("echo", slug="inbox", name="Inbox")
    of_rows, of_inbox = (control.run_once(one.pk, act()) for one in (rows, inbox))
    twice = error_of("INSERT INTO goods (id, name) VALUES (1, 'one more')")
    gone = error_of("SELECT 1 FROM nothing_of_the_kind")

    assert not faults.stop_broken(of_rows, twice)
    assert not faults.stop_broken(of_rows, OperationalError("terminating connection"))
    assert not faults.stop_broken(of_rows, LookupError("not in hand"))
    assert not faults.stop_broken(of_inbox, gone)
    assert (faulted(rows), faulted(inbox)) == ("", "")
    assert faults.stop_broken(of_rows, gone)
    assert faulted(rows)


def test_a_lost_batch_of_a_dropped_table_keeps_nobody_else_waiting(goods: Table) -> None:
    processor = define("echo", goods.source())
    run = control.run_once(processor.pk, act())
    assert claim(source_of(run), Ask(run.pk, "worker")) is not None
    goods.run("DROP TABLE goods")
    Batch.objects.update(lease_until=run.started_at, suspect_heartbeats=0)

    assert reaping.reap(database_now()) == 0
    assert "goods" in faulted(processor)
    force_stop(processor.pk, act(), typed_name=processor.slug)
    run.refresh_from_db()

    assert run.state == RunState.FAILED


def untold(table: Table, slug: str) -> Run:
    """A run in another database with an outcome that its table has not heard."""
    table.fill([1])
    processor = define("echo", table.source(), slug=slug, name=slug)
    run = control.run_once(processor.pk, act())
    lease = claim(source := source_of(run), Ask(run.pk, "worker"))
    assert lease is not None
    with transaction.atomic(durable=True):
        settlement = Settlement(lease.batch_id, run.pk, "worker", database_now())
        settlement.done = [(one, None) for one in lease.claimed]
        commit_inside(source, lease, Step(settlement, close=CloseReason.COMPLETED))
    return run


def test_a_table_that_was_dropped_keeps_no_other_in_its_database_untold() -> None:
    gone, other = Table("shop", "gone", status_length=8), Table("shop", "other", status_length=8)
    for table in (gone, other):
        untold(table, table.name)
    gone.drop()

    told = reconciling.reconcile(database_now())

    assert told == 1
    assert other.status(1) == "DONE"
    other.drop()


def test_a_database_that_is_away_is_asked_once_for_all_its_tables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tables = [Table("shop", name, status_length=8) for name in ("one", "other")]
    for table in tables:
        untold(table, table.name)
    asked: list[str] = []

    def away(alias: str) -> None:
        asked.append(alias)
        raise Unreachable("nothing listens at its address")

    with monkeypatch.context() as patch:
        patch.setattr(reconciling, "connect", away)
        assert reconciling.reconcile(database_now()) == 0

    assert asked == ["shop"]
    assert reconciling.reconcile(database_now()) == 2
    for table in tables:
        table.drop()


def test_a_database_that_is_not_configured_any_more_is_only_away() -> None:
    source = make_table_source(database="default", mode="C") | {"database": "archive"}
    processor = make_processor(source=source)
    make_run(processor, state="finished")

    assert reconciling.reconcile(database_now()) == 0
