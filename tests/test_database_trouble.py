"""Postgres restarts under working workers: nothing is lost, nobody is blamed."""

from typing import Any

import pytest
from django.db import connection, connections

from processors import maintenance
from processors.models import Attempt, Record, Run
from processors.states import RecordState
from tests.conftest import StartWorker
from tests.servers import PostgresServer
from tests.stories import (
    begin_run,
    counters,
    handled_keys,
    numbered,
)
from tests.trials import Trial
from tests.waiting import wait_until

RECORDS = 150


@pytest.mark.skipif(connection.vendor != "postgresql", reason="a server that can be restarted")
@pytest.mark.parametrize("handler", ["effect", "rest"])
@pytest.mark.parametrize(
    "crash",
    [
        pytest.param(False, marks=pytest.mark.fault("F31", "Postgres restarted in mid-run")),
        pytest.param(True, marks=pytest.mark.fault("F32", "Postgres crashed in mid-run")),
    ],
)
def test_a_restart_of_the_database_costs_no_record_and_no_attempt(
    start_worker: StartWorker,
    postgres: PostgresServer,
    handler: str,
    crash: bool,
    trial: Trial,
    settings: Any,
) -> None:
    # A crash of a server without fsync forgets commits, and with them leases: those run out.
    settings.LEASE_SECONDS = 4 if crash else 60
    workers = [start_worker(LEASE_SECONDS=str(settings.LEASE_SECONDS)) for _ in range(2)]
    run = begin_run(handler, RECORDS, options={"seconds": 0.02}, batch_size=20, parallelism=2)
    wait_until(
        lambda: Record.objects.filter(state=RecordState.DONE).count() > 10, message="nothing done"
    )

    trial.strike()
    if crash:
        postgres.kill()
    else:
        postgres.stop()
    postgres.start()
    connections.close_all()
    wait_until(lambda: has_ended(run), seconds=90, message="the run did not end")

    assert Record.objects.filter(state=RecordState.DONE).count() == RECORDS
    if not crash:
        assert counters(Run.objects.get()) == {"claimed": RECORDS, "done": RECORDS}
        assert not Attempt.objects.exists()
    assert all(worker.is_running() for worker in workers)
    if handler == "effect":
        assert handled_keys() == sorted(numbered(RECORDS))


def has_ended(run: Run) -> bool:
    maintenance.tick()
    run.refresh_from_db()
    return run.has_ended
