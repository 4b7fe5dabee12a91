"""Redis may be emptied, restarted or away: nothing is lost, and work goes on by itself."""

import pytest
import redis

from processors import control, maintenance
from processors.models import Run
from processors.states import ProcessorState
from tests.conftest import StartWorker
from tests.servers import RedisServer
from tests.stories import (
    act,
    begin_run,
    counters,
    define,
    fill_inbox,
    handled_keys,
    numbered,
    wait_for_effects,
    wait_for_end,
)
from tests.trials import Trial
from tests.waiting import wait_until

pytestmark = pytest.mark.usefixtures("clean_ledger")


@pytest.mark.fault("F22", "FLUSHALL in mid-run, five times")
def test_flushall_in_mid_run_loses_nothing(
    start_worker: StartWorker, redis_server: RedisServer, trial: Trial
) -> None:
    start_worker()
    run = begin_run("effect", 100, options={"seconds": 0.02}, batch_size=10, parallelism=2)

    trial.strike()
    with redis.Redis.from_url(redis_server.url) as client:
        for _ in range(5):
            wait_until(lambda: Run.objects.filter(pk=run.pk).exists())
            client.flushall()
            maintenance.tick()
    start_worker()
    Run.objects.filter(pk=run.pk).update(woken_at=run.started_at.replace(year=2020))
    wait_for_end(run)

    assert counters(run)["done"] == 100
    assert handled_keys() == sorted(numbered(100))


@pytest.mark.fault("F30", "all wake-ups lost before anybody heard them")
def test_wake_ups_that_were_lost_are_put_back(
    start_worker: StartWorker, redis_server: RedisServer, trial: Trial
) -> None:
    run = begin_run("effect", 10)
    trial.strike()
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    Run.objects.update(woken_at=run.started_at.replace(year=2020))

    start_worker()
    wait_for_end(run)

    assert counters(run) == {"claimed": 10, "done": 10}


@pytest.mark.fault("F21", "Redis restarted in mid-run")
def test_redis_restarted_in_mid_run_stops_nobody(
    start_worker: StartWorker, redis_server: RedisServer, trial: Trial
) -> None:
    worker = start_worker(LEASE_SECONDS="4")
    run = begin_run("effect", 60, options={"seconds": 0.05}, batch_size=10)
    wait_for_effects(3)

    trial.strike()
    redis_server.stop()
    wait_until(lambda: Run.objects.get(pk=run.pk).ended_at is not None or len(handled_keys()) > 20)
    redis_server.start()
    wait_for_end(run)

    assert handled_keys() == sorted(numbered(60))
    fill_inbox(run.processor, {"again": {}})
    wait_for_end(control.run_once(run.processor_id, act()))
    assert worker.is_running()


def test_operators_can_start_and_stop_while_redis_is_away(
    transactional_db: None, redis_server: RedisServer
) -> None:
    processor = define("echo")
    fill_inbox(processor, numbered(1))
    redis_server.stop()

    control.start(processor.pk, act())
    processor.refresh_from_db()
    started = processor.state
    control.stop(processor.pk, act())

    assert started == ProcessorState.STARTED
    assert Run.objects.get().has_ended


@pytest.mark.fault("F29", "a thousand doubled wake-ups")
def test_a_thousand_doubled_wake_ups_do_no_harm(start_worker: StartWorker, trial: Trial) -> None:
    from processors import queues

    run = begin_run("effect", 20, parallelism=2, batch_size=5)
    trial.strike()
    queues.wake(run.pk, "default", 1_000)

    start_worker()
    start_worker()
    wait_for_end(run)

    assert handled_keys() == sorted(numbered(20))
