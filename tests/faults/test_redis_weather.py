"""Redis is silent, cut off, full or locked: work in hand ends, nothing is lost, all goes on."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest
import redis

from processors import control, maintenance
from processors.models import Run
from processors.queues import SafeWorker, queue_states, wake
from processors.queues.wakeups import queue
from processors.states import ProcessorState
from tests.conftest import StartWorker
from tests.faults.crew import finish
from tests.handling.models import Effect
from tests.proxy import Proxy
from tests.servers import RedisServer, state_and_parent
from tests.stories import (
    act,
    begin_run,
    define,
    fill_inbox,
    handled_keys,
    numbered,
    wait_for_effects,
)
from tests.trials import Trial
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.usefixtures("short_lease")
RECORDS = 60
ROUND_TRIP: dict[str, Any] = {"batch_size": 10, "options": {"seconds": 0.02}}


@pytest.fixture
def server(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """To change its configuration; what was changed is undone."""
    with closing(redis.Redis.from_url(redis_server.url)) as client:
        yield client
        client.config_set("maxmemory", 0)
        client.config_set("maxmemory-policy", "noeviction")


@pytest.fixture
def far_run(start_worker: StartWorker, redis_server: RedisServer, redis_line: Proxy) -> Run:
    """In mid-run, by a worker that reaches Redis through `redis_line`."""
    start_worker(REDIS_URL=redis_line.url(redis_server.url))
    run = begin_run("effect", RECORDS, **ROUND_TRIP)
    wait_for_effects(3)
    return run


@pytest.mark.fault("F24", "network to Redis half-open in mid-run")
def test_a_silent_redis_stops_no_work_in_hand(
    far_run: Run, redis_line: Proxy, trial: Trial
) -> None:
    trial.strike()
    redis_line.weather.is_silent = True
    wait_for_effects(RECORDS)  # meanwhile nothing comes through
    redis_line.clear_up()
    finish(far_run)

    assert handled_keys() == sorted(numbered(RECORDS))


@pytest.mark.fault("F78", "a worker is cut off from Redis alone, then refused")
def test_a_worker_cut_off_from_redis_ends_its_work_and_hears_of_more_later(
    far_run: Run, start_worker: StartWorker, redis_line: Proxy, trial: Trial
) -> None:
    trial.strike()
    redis_line.weather.is_refusing = True
    redis_line.cut()
    wait_for_effects(RECORDS)
    redis_line.clear_up()
    finish(far_run)
    fill_inbox(far_run.processor, {"afterwards": {}})
    start_worker()  # where the cut has ended it, as a supervisor does
    finish(control.run_once(far_run.processor_id, act()))

    assert handled_keys() == sorted([*numbered(RECORDS), "afterwards"])


@pytest.mark.fault("F20", "Redis shut down and started again under idle workers")
def test_idle_workers_outlive_a_restart_of_redis(
    start_worker: StartWorker, redis_server: RedisServer, trial: Trial
) -> None:
    worker = start_worker()

    trial.strike()
    redis_server.kill()
    wait_until(lambda: "onnecti" in worker.log(), message=worker.log)
    redis_server.start()
    finish(begin_run("effect", RECORDS, **ROUND_TRIP))

    assert worker.is_running()


def test_a_worker_waits_for_redis_whenever_it_looks_for_work(
    redis_server: RedisServer, settings: Any
) -> None:
    settings.SPARE_CHILD = False
    worker: Any = SafeWorker([queue("default")], connection=queue("default").connection)
    worker.register_birth()
    redis_server.kill()

    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(worker.dequeue_job_and_maintain_ttl, 1)
        redis_server.start()
        assert wake(17, "default")
        job, _ = found.result(PATIENCE_SECONDS)

    assert job.args == [17]


def test_a_worker_is_known_again_after_flushall(
    start_worker: StartWorker, server: redis.Redis
) -> None:
    start_worker()
    wait_until(lambda: queue_states(["default"])[0].workers == 1, message="it is not known")

    server.flushall()

    wait_until(lambda: queue_states(["default"])[0].workers == 1, message="it is not known again")


@pytest.mark.fault("F25", "Redis out of memory when a cycle begins")
def test_a_full_redis_delays_a_cycle_and_loses_nothing(
    start_worker: StartWorker, server: redis.Redis, trial: Trial
) -> None:
    start_worker()

    trial.strike()
    server.config_set("maxmemory", 1)
    run = begin_run("effect", RECORDS, **ROUND_TRIP)
    maintenance.tick()
    assert not Effect.objects.exists()
    server.config_set("maxmemory", 0)
    Run.objects.filter(pk=run.pk).update(woken_at=run.started_at.replace(year=2020))
    finish(run)

    assert handled_keys() == sorted(numbered(RECORDS))


@pytest.mark.fault("F26", "Redis evicts wake-ups under a wrong policy")
def test_evicted_wake_ups_are_put_back(
    start_worker: StartWorker, server: redis.Redis, trial: Trial
) -> None:
    run = begin_run("effect", RECORDS, **ROUND_TRIP)

    trial.strike()
    server.config_set("maxmemory-policy", "allkeys-lru")
    server.config_set("maxmemory", 1)
    wait_until(lambda: is_evicted(server), message="nothing was evicted")
    server.config_set("maxmemory", 0)
    Run.objects.filter(pk=run.pk).update(woken_at=run.started_at.replace(year=2020))
    start_worker()
    finish(run)

    assert handled_keys() == sorted(numbered(RECORDS))


def is_evicted(server: redis.Redis) -> bool:
    maintenance.tick()
    return not server.dbsize()


@pytest.mark.fault("F27", "Redis wants a password from now on")
def test_a_new_password_keeps_operators_working_and_stays_out_of_the_log(
    redis_server: RedisServer, transactional_db: None, caplog: pytest.LogCaptureFixture
) -> None:
    processor = define("effect")
    fill_inbox(processor, numbered(1))
    with closing(redis.Redis.from_url(redis_server.url)) as client:
        client.config_set("requirepass", "open-sesame")
    queue("default").connection.connection_pool.disconnect()  # those who know it stay in
    try:
        control.start(processor.pk, act())
        maintenance.tick()
    finally:
        with closing(redis.Redis.from_url(redis_server.url, password="open-sesame")) as client:
            client.config_set("requirepass", "")

    processor.refresh_from_db()
    assert processor.state == ProcessorState.STARTED
    assert "Redis took no wake-up" in caplog.text
    assert "sesame" not in caplog.text


@contextmanager
def standing_still(server: RedisServer) -> Iterator[None]:
    """The kernel accepts connections for it, and that is all."""
    assert server.process is not None
    process = server.process
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: state_and_parent(process.pid)[0] == "T")
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


@pytest.mark.fault("F24", "Redis accepts and never answers while an operator clicks")
def test_an_operator_gets_an_answer_while_redis_hangs(
    redis_server: RedisServer, transactional_db: None, caplog: pytest.LogCaptureFixture
) -> None:
    processor = define("effect")
    fill_inbox(processor, numbered(1))
    with standing_still(redis_server):
        said = control.start(processor.pk, act())

    assert said == "Story was started."
    assert "Redis took no wake-up" in caplog.text
