"""A worker that waits keeps its next child ready; nothing of a child's isolation is lost by it."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import redis
from django.db import connection, connections
from rq.command import send_stop_job_command
from rq.registry import StartedJobRegistry

from processors import control, publish
from processors.force_stop import force_stop
from processors.models import Attempt, Batch, Processor, Record, Run
from processors.queues import SafeWorker
from processors.queues.wakeups import queue
from processors.states import RecordState
from tests.conftest import StartWorker
from tests.handling.models import Effect
from tests.servers import PostgresServer, Worker, is_alive
from tests.stories import act, define, fill_inbox, handled_keys, numbered, wait_for_end
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("clean_ledger")
LEASE = {"LEASE_SECONDS": "4"}  # idle workers look after their spare every second


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """The file that what is held waits for."""
    return tmp_path / "gate"


def wait_until_gone(pid: int) -> None:
    wait_until(lambda: not is_alive(pid), message=f"process {pid} is still there")


def wait_for_another(worker: Worker, than: int) -> int:
    """The spare child that took the place of one."""
    wait_until(lambda: worker.horse_pid() not in (None, than), message=worker.log)
    return worker.wait_for_horse()


def run_one(processor: Processor, key: str, **payload: Any) -> Run:
    """A cycle with one record, ended."""
    fill_inbox(processor, {key: payload})
    return wait_for_end(control.run_once(processor.pk, act()), ticking=False)


def pids() -> list[int]:
    """Who handled each record, in order."""
    return list(Effect.objects.order_by("pk").values_list("pid", flat=True))


def test_the_child_that_waited_handles_the_next_record(start_worker: StartWorker) -> None:
    processor = define("effect")
    worker = start_worker()
    spare = worker.wait_for_horse()

    run_one(processor, "a")

    assert pids() == [spare]
    assert str(spare) in Batch.objects.get().owner.split(":")


def test_no_two_jobs_share_a_child(start_worker: StartWorker) -> None:
    processor = define("effect")
    start_worker()

    for n in range(5):
        run_one(processor, f"key-{n}")

    assert len(set(pids())) == 5


def test_a_worker_never_has_more_than_one_child(start_worker: StartWorker, gate: Path) -> None:
    processor = define("held", options={"file": str(gate)})
    worker = start_worker()
    spare = worker.wait_for_horse()
    fill_inbox(processor, numbered(1))
    run = control.run_once(processor.pk, act())

    wait_until(Effect.objects.exists, message="nothing was handled")
    during = worker.horse_pid()
    gate.touch()
    wait_for_end(run)

    assert during == spare
    wait_until_gone(spare)
    assert wait_for_another(worker, spare) != spare


def test_a_spare_that_was_killed_is_not_missed(start_worker: StartWorker) -> None:
    processor = define("effect")
    worker = start_worker()
    spare = worker.wait_for_horse()

    os.kill(spare, signal.SIGKILL)
    run_one(processor, "a")

    assert handled_keys() == ["a"]
    assert spare not in pids()
    assert not Attempt.objects.exists()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_idle_worker_replaces_its_spare(start_worker: StartWorker, number: int) -> None:
    worker = start_worker(**LEASE)
    spare = worker.wait_for_horse()

    os.kill(spare, number)
    successor = wait_for_another(worker, spare)

    assert is_alive(successor)
    assert worker.is_running()


@pytest.mark.skipif(connection.vendor != "postgresql", reason="a server that can be restarted")
def test_a_spare_outlives_a_restart_of_the_database(
    start_worker: StartWorker, postgres: PostgresServer
) -> None:
    processor = define("effect")
    worker = start_worker()
    spare = worker.wait_for_horse()
    wait_until(is_connected, message="the spare has not connected")

    postgres.stop()
    postgres.start()
    connections.close_all()
    run_one(processor, "a")

    assert pids() == [spare]
    assert not Attempt.objects.exists()


def is_connected() -> bool:
    """Whether anybody but this test has a connection, and has asked the last of a rehearsal."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND state = 'idle' AND query = 'SELECT clock_timestamp()'"
        )
        return bool(cursor.fetchone()[0])


def test_kill_9_of_the_parent_ends_the_spare(start_worker: StartWorker) -> None:
    worker = start_worker()
    spare = worker.wait_for_horse()

    worker.kill()

    wait_until_gone(spare)


def test_sigterm_ends_both_when_idle(start_worker: StartWorker) -> None:
    worker = start_worker()
    spare = worker.wait_for_horse()

    worker.send(signal.SIGTERM)

    assert worker.wait() == 0
    wait_until_gone(spare)


def test_a_spare_that_segfaults_at_work_is_blamed_by_its_name(start_worker: StartWorker) -> None:
    processor = define("deadly")
    worker = start_worker()
    spare = worker.wait_for_horse()
    fill_inbox(processor, {"poison": {"die": "segfault"}})

    control.run_once(processor.pk, act())
    wait_until(Attempt.objects.exists, message="nobody was blamed")

    first = Attempt.objects.order_by("pk")[0]
    assert first.outcome == "crashed"
    assert str(spare) in first.owner.split(":")
    assert worker.is_running()


def test_redis_tells_the_truth_about_a_job_at_work(start_worker: StartWorker, gate: Path) -> None:
    processor = define("held", options={"file": str(gate)})
    start_worker()
    fill_inbox(processor, numbered(1))
    run = control.run_once(processor.pk, act())
    wait_until(Effect.objects.exists, message="nothing was handled")

    # The parent notes the beginning while the child is at work already.
    job_id = wait_until(current_job)
    wait_until(lambda: told() == ("busy", [job_id], 0), message=lambda: f"{job_id}: {told()}")
    gate.touch()
    wait_for_end(run)

    wait_until(
        lambda: current_job() == "" and told() == ("idle", [], 0), message=lambda: f"{told()}"
    )
    assert left_of(job_id) == []


def known_worker() -> Any:
    [worker] = SafeWorker.all(queue=queue("default"))
    return worker


def current_job() -> str:
    return known_worker().get_current_job_id() or ""


def told() -> tuple[str, list[str], int]:
    """What Redis knows: of the worker, of jobs that have begun, and of those on their way."""
    begun = StartedJobRegistry(queue=queue("default")).get_job_ids(cleanup=False)
    on_its_way = int(queue("default").connection.llen("rq:queue:default:intermediate"))
    return str(known_worker().get_state()), begun, on_its_way


def left_of(job_id: str) -> list[bytes]:
    client: redis.Redis = queue("default").connection
    return list(client.scan_iter(f"rq:*{job_id}*"))


def test_the_command_to_stop_a_job_ends_the_child_and_no_more(
    start_worker: StartWorker, gate: Path
) -> None:
    processor = define("held", options={"file": str(gate)})
    worker = start_worker(**LEASE)
    spare = worker.wait_for_horse()
    fill_inbox(processor, numbered(1))
    control.run_once(processor.pk, act())
    wait_until(Effect.objects.exists, message="nothing was handled")

    send_stop_job_command(queue("default").connection, wait_until(current_job))

    wait_until_gone(spare)
    wait_until(lambda: "stopped by user" in worker.log(), message=worker.log)
    assert worker.is_running()
    force_stop(processor.pk, act(), typed_name=processor.slug)


def test_without_a_spare_a_child_is_forked_for_each_job(start_worker: StartWorker) -> None:
    processor = define("effect")
    worker = start_worker(SPARE_CHILD="0")

    children = [worker.horse_pid()]
    run_one(processor, "a")
    wait_until(lambda: worker.horse_pid() is None, message="the child stayed")

    assert children == [None]
    assert handled_keys() == ["a"]


def test_a_record_that_arrives_is_taken_up_without_a_tick(start_worker: StartWorker) -> None:
    processor = define("effect", trigger={"kind": "arrival"})
    control.start(processor.pk, act())
    start_worker()

    publish(processor.slug, [{"key": "a", "payload": {}}])
    wait_until(
        lambda: Record.objects.filter(state=RecordState.DONE).exists(), message="not handled"
    )

    assert handled_keys() == ["a"]
