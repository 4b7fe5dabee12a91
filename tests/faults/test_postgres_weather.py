"""Postgres is away, cut off, locked or strict: waited out, nobody is blamed, nothing is doubled."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from django.db import connection, connections

from processors import control, maintenance
from processors.models import Attempt, Run
from tests.conftest import StartWorker
from tests.faults.crew import Crew, finish
from tests.handling.models import Effect
from tests.proxy import Proxy
from tests.servers import PostgresServer, Worker
from tests.stories import (
    act,
    begin_run,
    counters,
    define,
    handled_keys,
    numbered,
    wait_for_effects,
    wait_for_reaping,
)
from tests.tables import Table
from tests.trials import Trial
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(connection.vendor != "postgresql", reason="a server of its own")
RECORDS = 60
TERMINATE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


@pytest.fixture
def session(environment: dict[str, str]) -> Iterator[Any]:
    """Somebody else in our database."""
    with closing(psycopg2.connect(environment["DATABASE_URL"])) as other:
        yield other


@pytest.fixture
def goods(transactional_db: None) -> Iterator[Table]:
    table = Table("default")
    table.fill(range(RECORDS))
    yield table
    connections.close_all()
    table.drop()


def in_mid_run() -> Run:
    """Of those who listen, one is at it."""
    run = begin_run("effect", RECORDS, options={"seconds": 0.02}, batch_size=10, parallelism=2)
    wait_for_effects(3)
    return run


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """The file that what is held waits for."""
    return tmp_path / "gate"


def held_in_mid_run(gate: Path) -> Run:
    """One who listens has a record in hand until the gate is there."""
    run = begin_run("held_from_ten", RECORDS, options={"file": str(gate)}, batch_size=10)
    wait_for_effects(10)
    return run


@pytest.fixture
def far_worker(
    start_worker: StartWorker, database_line: Proxy, environment: dict[str, str]
) -> Worker:
    """It reaches its database through `database_line`."""
    return start_worker(DATABASE_URL=database_line.url(environment["DATABASE_URL"]))


@pytest.mark.slow
@pytest.mark.usefixtures("short_lease")
@pytest.mark.fault("F33", "Postgres away for longer than a lease")
def test_a_database_that_is_away_for_long_costs_no_attempt(
    start_worker: StartWorker, postgres: PostgresServer, gate: Path, trial: Trial
) -> None:
    worker = start_worker()
    run = held_in_mid_run(gate)

    trial.strike()
    postgres.stop()
    wait_until(
        lambda: "a whole lease" in worker.log() or "reclaim failed" in worker.log(),
        message=worker.log,
    )
    gate.touch()
    postgres.start()
    finish(run)

    assert handled_keys() == sorted(numbered(RECORDS))
    assert not Attempt.objects.exclude(outcome="crashed").exists()
    assert worker.is_running()


@pytest.mark.fault("F34", "all sessions terminated, five times")
def test_terminated_sessions_cost_no_attempt(
    start_worker: StartWorker, session: Any, trial: Trial
) -> None:
    start_worker()
    run = in_mid_run()

    trial.strike()
    for _ in range(5):
        with session, session.cursor() as cursor:
            cursor.execute(TERMINATE)
        connections.close_all()
        done = Effect.objects.count()
        wait_until(lambda done=done: Effect.objects.count() > done or finish(run).has_ended)  # type: ignore[misc]
    finish(run)

    assert handled_keys() == sorted(numbered(RECORDS))
    assert not Attempt.objects.exists()


@pytest.mark.usefixtures("short_lease")
@pytest.mark.fault("F35", "network to Postgres half-open until the batch is taken over")
def test_a_worker_behind_a_silent_network_is_replaced_and_can_write_nothing(
    far_worker: Worker, start_worker: StartWorker, database_line: Proxy, gate: Path, trial: Trial
) -> None:
    run = held_in_mid_run(gate)

    trial.strike()
    database_line.weather.is_silent = True
    wait_for_reaping()
    start_worker()
    gate.touch()
    database_line.clear_up()
    finish(run)

    assert handled_keys() == sorted(numbered(RECORDS))


@pytest.mark.usefixtures("short_lease")
@pytest.mark.fault("F34", "connections to Postgres cut in mid-sentence, again and again")
def test_commits_whose_answer_is_lost_are_made_once(
    far_worker: Worker, database_line: Proxy, trial: Trial
) -> None:
    run = in_mid_run()

    trial.strike()
    for limit in (9_000, 15_000, 23_000, 31_000):
        database_line.weather.cut_after_bytes = limit
        database_line.cut()
        done = Effect.objects.count()
        wait_until(lambda done=done: Effect.objects.count() > done or Run.objects.get().has_ended)  # type: ignore[misc]
    database_line.clear_up()
    finish(run)

    assert handled_keys() == sorted(numbered(RECORDS))


@pytest.mark.fault("F38", "rows of the source locked by somebody else")
def test_rows_that_somebody_holds_are_taken_when_he_lets_go(
    goods: Table, session: Any, trial: Trial
) -> None:
    run = control.run_once(define("effect", goods.source(), batch_size=10).pk, act())

    trial.strike()
    with session.cursor() as cursor:
        cursor.execute("SELECT id FROM goods WHERE id < 20 FOR UPDATE")
    with Crew() as crew:
        wait_for_effects(RECORDS - 20)
        maintenance.tick()
        assert not Run.objects.get(pk=run.pk).has_ended
        session.rollback()
        crew.bring_through()

    run.refresh_from_db()
    assert counters(run) == {"claimed": RECORDS, "done": RECORDS}
    assert len(handled_keys()) == RECORDS


@pytest.mark.fault("F39", "ALTER TABLE held open during a run")
def test_a_migration_of_the_users_table_is_waited_for(
    goods: Table, session: Any, gate: Path, trial: Trial
) -> None:
    options = {"file": str(gate)}
    processor = define("held_from_ten", goods.source(), options=options, batch_size=10)
    run = control.run_once(processor.pk, act())

    trial.strike()
    with Crew() as crew:
        wait_for_effects(10)
        with session.cursor() as cursor:
            cursor.execute("ALTER TABLE goods ADD COLUMN extra integer")
        gate.touch()
        wait_until(lambda: waits_for_lock(session), message="nobody waits for the table")
        session.commit()
        crew.bring_through()

    run.refresh_from_db()
    assert counters(run) == {"claimed": RECORDS, "done": RECORDS}
    assert not Attempt.objects.exists()


def waits_for_lock(session: Any) -> bool:
    with session.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


@pytest.mark.fault("F41", "the host project's isolation is serializable")
def test_serialization_failures_cost_no_attempt(
    start_worker: StartWorker, environment: dict[str, str], trial: Trial
) -> None:
    strict = "?options=-c%20default_transaction_isolation%3Dserializable"
    for _ in range(2):
        start_worker(DATABASE_URL=environment["DATABASE_URL"] + strict)

    trial.strike()
    run = finish(
        begin_run("effect", RECORDS, options={"seconds": 0.01}, batch_size=5, parallelism=2)
    )

    assert counters(run) == {"claimed": RECORDS, "done": RECORDS}
    assert handled_keys() == sorted(numbered(RECORDS))
    assert not Attempt.objects.exists()
