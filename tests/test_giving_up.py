"""Trouble with the database that outlasts all patience: told in a line, and nobody's fault."""

import logging
import signal
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, NoReturn

import psycopg2
import pytest
import rq
from django.db import OperationalError, connection, connections, transaction
from django_rq import get_queue
from redis.exceptions import OutOfMemoryError
from rq.exceptions import StopRequested

from processors import control, cycle, failpoints, maintenance
from processors.afterwards import after_commit
from processors.clock import database_now
from processors.models import Attempt, Processor, Record
from processors.protocol import cycles, leases, reaping
from processors.protocol.at_once import AtOnce
from processors.queues import SafeWorker
from processors.queues.identity import own_name
from tests.handling.models import Effect
from tests.servers import PostgresServer
from tests.stories import act, counters, define, fill_inbox, handled_keys, numbered, run_here
from tests.tables import Table

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "shop"]),
    pytest.mark.usefixtures("goods", "clean_ledger"),
]
postgres_only = pytest.mark.skipif(connection.vendor != "postgresql", reason="a lock on a row")
sqlite_only = pytest.mark.skipif(connection.vendor != "sqlite", reason="a lock on the file")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    hasty = SimpleNamespace(LEASE_SECONDS=0.1)
    monkeypatch.setattr("processors.cycle.patience.settings", hasty)


@pytest.fixture
def worker(settings: Any) -> Iterator[Any]:
    settings.SPARE_CHILD = False
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    queue = get_queue("default")
    yield SafeWorker([queue], connection=queue.connection)
    for number, handler in before.items():
        signal.signal(number, handler)


def refuse(*_: object, **__: object) -> NoReturn:
    raise OperationalError("server closed the connection unexpectedly\n\tThis probably means …")


# A database that is away


@pytest.mark.parametrize("handler", ["effect", "outside"])
def test_a_worker_whose_database_stays_away_gives_up_in_a_line(
    handler: str, worker: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    processor = define(handler)
    fill_inbox(processor, numbered(3))
    run = control.run_once(processor.pk, act())
    job = worker.queues[0].jobs[0]
    worker.prepare_execution(job)
    with monkeypatch.context() as away:
        away.setattr(leases, "fence", refuse)
        away.setattr(AtOnce, "commit", lambda *_: False)

        with caplog.at_level(logging.INFO):
            assert not worker.perform_job(job, worker.queues[0])

    told = [record.getMessage() for record in caplog.records if "ends early" in record.message]
    assert len(told) == 1
    assert told[0].endswith("is taken back: server closed the connection unexpectedly")
    assert "Traceback" not in caplog.text
    reaping.take_from_dead(own_name(), by_a_record=False)
    maintenance.tick()
    cycle.work(run.pk)
    assert set(handled_keys()) == set(numbered(3))
    assert not Record.objects.exclude(state="done").exists()


@postgres_only
@pytest.mark.parametrize("handler", ["effect", "outside"])
def test_a_database_that_takes_no_changes_costs_no_attempt(
    handler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient = SimpleNamespace(LEASE_SECONDS=30)
    monkeypatch.setattr("processors.cycle.patience.settings", patient)
    processor = define(handler, max_attempts=1)
    fill_inbox(processor, numbered(3))
    run = control.run_once(processor.pk, act())
    connection.close()
    with connection.cursor() as cursor:  # as a standby, until the connection is opened anew
        cursor.execute("SET default_transaction_read_only = on")

    cycle.work(run.pk)

    run.refresh_from_db()
    assert counters(run) == {"claimed": 3, "done": 3}


def test_what_may_follow_a_commit_is_left_to_the_tick(caplog: pytest.LogCaptureFixture) -> None:
    with transaction.atomic():
        after_commit(refuse, "the next cycle of goods")

    (told,) = caplog.records
    assert told.getMessage() == (
        "the next cycle of goods is left to the next tick: "
        "server closed the connection unexpectedly"
    )
    assert told.exc_info is None


# Redis that forgets


def test_a_job_whose_end_redis_does_not_take_is_told_in_a_line(
    worker: Any, caplog: pytest.LogCaptureFixture
) -> None:
    processor = define("effect")
    fill_inbox(processor, numbered(3))
    control.run_once(processor.pk, act())
    job = worker.queues[0].jobs[0]
    worker.prepare_execution(job)
    worker.connection.flushall()

    worker.perform_job(job, worker.queues[0])

    assert "is through, which Redis was not told" in caplog.text
    assert "Traceback" not in caplog.text
    assert handled_keys() == sorted(numbered(3))


def test_a_redis_that_answers_and_refuses_is_not_asked_without_end(
    worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker.register_birth()
    slept: list[float] = []
    clock = SimpleNamespace(sleep=slept.append, monotonic=time.monotonic)
    monkeypatch.setattr("processors.queues.worker.time", clock)
    answers = iter([OutOfMemoryError("command not allowed when used memory > 'maxmemory'")] * 3)

    def full(*_: object, **__: object) -> None:
        for answer in answers:
            raise answer

    monkeypatch.setattr(rq.Worker, "dequeue_job_and_maintain_ttl", full)

    assert worker.dequeue_job_and_maintain_ttl(1) is None
    assert slept == [0.5] * 3


# A row that somebody else locks for long


class Holder:
    """Another application: it locks a row as soon as we have claimed it, until `let_go`."""

    def __init__(self, url: str) -> None:
        self.session = psycopg2.connect(url)
        self.holds = False

    def hold(self, name: str) -> None:
        if name == "claim.after_commit" and not self.holds:
            self.holds = True
            with self.session.cursor() as cursor:
                cursor.execute("SELECT id FROM goods WHERE id = 1 FOR UPDATE")

    def let_go(self) -> None:
        self.session.rollback()


@pytest.fixture
def goods(transactional_db: None) -> Iterator[Table]:
    table = Table()
    table.fill([1, 2, 3])
    yield table
    table.drop()


@pytest.fixture
def holder(
    postgres: PostgresServer, goods: Table, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Holder]:
    options = connections["default"].settings_dict["OPTIONS"]
    shorter = options["options"].replace("lock_timeout=5s", "lock_timeout=20ms")
    assert shorter != options["options"]
    monkeypatch.setitem(options, "options", shorter)
    connections.close_all()
    found = Holder(postgres.url(str(connections["default"].settings_dict["NAME"])))
    monkeypatch.setattr(failpoints, "reach", found.hold)
    yield found
    found.session.close()
    connections.close_all()


@postgres_only
@pytest.mark.parametrize("handler", ["effect", "outside"])
def test_a_row_that_is_locked_for_long_is_put_off_and_handled_later(
    handler: str, goods: Table, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processors.cycle.treatment.NOT_NOW_SECONDS", 0.0)
    monkeypatch.setattr("processors.cycle.commits.MOST_NOT_NOW", 1000)
    processor = define(handler, goods.source(), max_attempts=1, records_per_cycle=3)

    run = run_here(processor)

    assert Attempt.objects.exclude(error_type="NotNow").count() == 0
    assert (counters(run)["done"], goods.status(2), goods.status(3)) == (2, "DONE", "DONE")
    holder.let_go()
    run_here(Processor.objects.get())
    assert goods.statuses() == {"DONE": 3}
    assert set(handled_keys()) == {"1", "2", "3"}
    if handler == "effect":
        assert Effect.objects.count() == 3


@postgres_only
def test_a_locked_row_of_a_handler_that_must_not_repeat_is_parked(
    goods: Table, holder: Holder
) -> None:
    run = run_here(define("unrepeatable", goods.source()))

    assert counters(run) == {"claimed": 3, "done": 2, "parked": 1}
    assert "lock timeout" in Attempt.objects.get().message
    assert Effect.objects.count() == 3


# SQLite's only lock


@sqlite_only
def test_a_locked_file_inside_a_handler_costs_no_attempt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(connection.settings_dict["OPTIONS"], "timeout", 0.05)
    connection.close()
    processor = define("held_up", max_attempts=1)
    fill_inbox(processor, {"a": {"file": str(connection.settings_dict["NAME"])}})

    run = run_here(processor)

    assert counters(run) == {"claimed": 1, "retried": 1}
    assert Record.objects.get().attempts == 0
    assert Attempt.objects.get().error_type == "NotNow"
    assert "database is locked" in Attempt.objects.get().message


# A worker that is asked to leave


def test_a_worker_that_is_asked_to_leave_amid_a_tick_leaves(
    worker: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    define("effect", trigger={"kind": "interval", "pause_seconds": 1})
    Processor.objects.update(state="started", next_due_at=database_now())
    monkeypatch.setattr(cycles, "begin_due", lambda _: worker.request_stop(signal.SIGTERM, None))

    with pytest.raises(StopRequested):
        worker.run_maintenance_tasks()

    assert "could not begin" not in caplog.text
