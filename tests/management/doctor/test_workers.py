"""`doctor` on workers: those that are not ours, and what each tells of itself."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.utils.timezone import now

from processors import diagnosis, queues
from processors.handlers import registry
from processors.models import Installation
from processors.queues import roll_call
from processors.queues.worker_facts import look_at_workers
from tests.conftest import StartWorker
from tests.factories import make_processor, make_run
from tests.management.conftest import Call, Refuse
from tests.management.doctor.conftest import findings
from tests.servers import RedisServer
from tests.waiting import PATIENCE_SECONDS, wait_until

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


def add_worker(client: Any, name: str = "stock", **told: Any) -> None:
    """A worker as it registers itself; without `told`, RQ's own."""
    key = f"rq:worker:{name}"
    facts = {"birth": "2026-11-21T10:00:00Z", "hostname": name, "pid": 7, "queues": "default"}
    if told:
        ours = {"handlers": ["demo.price_order"], "code": "a", "zones": "2026a", "ahead": 0.0}
        facts["recordmill"] = json.dumps(ours | told)
    client.hset(key, mapping=facts)
    client.sadd("rq:workers", key)
    client.sadd("rq:workers:default", key)


def test_a_stock_worker_on_our_queues_is_told(client: Any) -> None:
    add_worker(client)

    [found] = findings("worker stock")

    assert found.level == "error"
    assert "not one of Recordmill's" in found.what
    assert "manage.py rqworker" in found.mend


@pytest.mark.django_db(transaction=True)
def test_a_stock_worker_that_was_really_started_is_told(
    redis_server: RedisServer, refuse: Refuse
) -> None:
    script = Path(sys.executable).with_name("rq")
    stock = subprocess.Popen(
        [script, "worker", "--url", redis_server.url, "default"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        [found] = wait_until(lambda: findings("worker"), message="the stock worker is not seen")
        Installation.objects.update(scheduler_seen_at=now())
        said = refuse("doctor")
    finally:
        stock.terminate()
        stock.wait(PATIENCE_SECONDS)

    assert "not one of Recordmill's, but takes jobs of default" in found.what
    assert said == "1 error found."


def test_a_stock_scheduler_is_told(client: Any) -> None:
    client.hset("rq:scheduler_instance:stock", "birth", "2026-11-21T10:00:00Z")

    [found] = findings("scheduler stock")

    assert "manage.py rqscheduler" in found.mend


def test_the_name_of_a_worker_that_is_gone_is_taken_away(client: Any, call: Call) -> None:
    client.sadd("rq:workers", "rq:worker:gone")
    client.sadd("rq:workers:default", "rq:worker:gone")

    assert "ended without a word" in call("doctor", "--fix")
    assert not client.smembers("rq:workers")
    assert not client.smembers("rq:workers:default")


def test_workers_with_other_code_time_zones_and_clocks_are_told(client: Any) -> None:
    add_worker(client, "one", code="old")
    add_worker(client, "two", code="new", zones="2020a", ahead=30.0)

    said = " ".join(found.what for found in findings("worker"))

    assert "do not have the same code (" in said
    assert "do not have the same time zones (" in said
    assert "30 s ahead of" in said


def test_a_handler_that_no_worker_has_is_told(client: Any) -> None:
    make_processor("orders", state="started")
    add_worker(client, "one", handlers=["other.handler"])

    [found] = findings("processor 'orders'")

    assert "No worker on queue 'default' has its handler 'demo.price_order'" in found.what


def test_a_broken_app_is_told_once_whatever_needs_it(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.failures, "shop", "SyntaxError: invalid syntax")
    make_processor("orders", handler="shop.price", state="started")
    make_processor("bills", handler="shop.bill")
    add_worker(client, "one")

    assert [found.where for found in findings() if "shop" in f"{found}"] == ["app 'shop'"]


@pytest.mark.parametrize(("state", "level"), [("started", "error"), ("stopped", "warning")])
def test_b17_a_variable_that_a_worker_does_not_have_is_named_with_the_worker(
    client: Any, state: str, level: str
) -> None:
    make_processor("orders", state=state, options={"token": "env:SHOP_TOKEN", "text": "env: no"})
    add_worker(client, "one", variables=[roll_call.mark_of("SHOP_TOKEN")])
    add_worker(client, "two", variables=[roll_call.mark_of("OTHER")])
    add_worker(client, "old")

    [found] = findings("processor 'orders'")

    assert found.level == level
    assert found.what.startswith("SHOP_TOKEN, which its option 'token' names, is not set on worker")
    assert "two" in found.what
    assert "restart them" in found.mend


def test_b17_a_worker_tells_marks_of_its_variables_and_no_names() -> None:
    told = roll_call.own_facts(0.0)

    assert roll_call.mark_of("PATH") in json.loads(told)["variables"]
    assert "PATH" not in told
    assert roll_call.mark_of("SECRET_KEY") not in told


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_our_workers_tell_what_they_are(start_worker: StartWorker) -> None:
    start_worker("default")

    [worker] = look_at_workers()

    assert "demo.price_order" in (worker.handlers or ())
    assert worker.code == roll_call.code_digest()
    assert abs(worker.clock_ahead_seconds) < 5
    assert not [found for found in findings("worker") if "worker" in found.where]


def test_wake_ups_of_ended_runs_that_nobody_comes_for_are_told_and_removed(client: Any) -> None:
    active = make_run()
    ended = make_run(state="finished")
    queues.wake(ended.pk, "high", 3)
    queues.wake(active.pk, "high")

    [found] = [one for one in findings("queue 'high'") if "wake-up" in one.what]
    diagnosis.mend([found])

    assert found.what.startswith("3 wake-ups of runs that have ended wait here")
    assert dict(queues.runs_waiting("high")) == {active.pk: 1}
    assert not [one for one in findings("queue 'high'") if "wake-up" in one.what]
