"""Connections that break under a process that goes on: the next use opens them anew."""

import itertools
from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest
from django.db import InterfaceError, connection, connections

from processors import control, cycle, maintenance
from processors.cycle import watch
from processors.models import Attempt, Run
from processors.protocol import first_claim
from processors.sources.foreign import ForeignTableSource
from tests.lost_answers import lose_first_answer
from tests.servers import PostgresServer
from tests.stories import act, counters, define, fill_inbox, numbered, run_here
from tests.tables import Table

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "shop"]),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="a server that ends sessions"),
]
ROWS = 20


@pytest.fixture
def goods(postgres: PostgresServer) -> Iterator[Table]:
    table = Table("shop")
    table.fill(range(ROWS))
    yield table
    connections.close_all()
    table.drop()


def break_connection(postgres: PostgresServer, alias: str) -> None:
    """Ours, as a restart or a firewall does: it learns of it when it is used."""
    connections[alias].ensure_connection()
    raw: Any = connections[alias].connection
    session = psycopg2.connect(postgres.url("postgres"))
    with session, session.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [raw.get_backend_pid()])
    session.close()


@pytest.mark.parametrize("alias", ["default", "shop"])
def test_a_scheduler_goes_on_after_a_connection_broke(
    goods: Table, postgres: PostgresServer, alias: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = control.run_once(define("outside", goods.source()).pk, act())
    maintenance.tick()
    break_connection(postgres, alias)

    maintenance.tick()
    caplog.clear()
    maintenance.tick()

    assert [record.message for record in caplog.records if record.levelname != "INFO"] == []
    assert not Run.objects.get(pk=run.pk).has_ended


def test_a_wake_up_waits_for_its_database(goods: Table, postgres: PostgresServer) -> None:
    run = control.run_once(define("outside", goods.source()).pk, act())
    break_connection(postgres, "default")

    cycle.work(run.pk)

    run.refresh_from_db()
    assert counters(run) == {"claimed": ROWS, "done": ROWS}


@pytest.mark.parametrize("method", ["confirm", "publish_outcomes"])
def test_another_databases_lost_connection_blames_no_record(
    goods: Table, postgres: PostgresServer, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor = define("outside", goods.source(), batch_size=5)
    original, lost = getattr(ForeignTableSource, method), itertools.count()

    def lose_it_once(self: ForeignTableSource, given: Any) -> Any:
        if next(lost) == 0:
            break_connection(postgres, "shop")
        return original(self, given)

    monkeypatch.setattr(ForeignTableSource, method, lose_it_once)

    run = run_here(processor)

    assert counters(run) == {"claimed": ROWS, "done": ROWS}
    assert goods.statuses() == {"DONE": ROWS}
    assert not Attempt.objects.exists()


def test_a_claim_whose_answer_was_lost_blames_no_record(monkeypatch: pytest.MonkeyPatch) -> None:
    processor = define("outside", batch_size=5)
    fill_inbox(processor, numbered(ROWS))
    lose_first_answer(monkeypatch, first_claim, "claim")

    run = run_here(processor)

    assert counters(run) == {"claimed": ROWS + 5, "done": ROWS, "released": 5}
    assert not Attempt.objects.exists()


def test_the_heart_beats_on_after_its_connection_was_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def closed(*_: object) -> None:
        raise InterfaceError("connection already closed")

    monkeypatch.setattr(watch, "heartbeat", closed)
    lease: Any = type("Lease", (), {"batch_id": 1})
    heart = watch.Watch(watch.Desk(lease=lease), on_hung=lambda _: None)

    assert heart._beat() is False
