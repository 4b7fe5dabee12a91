"""What machines ask: is the process alive, is everything there that the work needs?"""

import json
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from processors.clock import database_now
from processors.models import Installation
from processors.queues import QueueState
from tests.factories import make_processor
from tests.waiting import PATIENCE_SECONDS


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processors.views.ANSWER_SECONDS", PATIENCE_SECONDS)


@pytest.fixture
def workers(monkeypatch: pytest.MonkeyPatch) -> list[QueueState]:
    """What Redis would say."""
    states = [QueueState("default", 0, 1)]
    monkeypatch.setattr(
        "processors.views.queue_states",
        lambda names: [each for each in states if each.name in names],
    )
    return states


def ready(client: Client) -> tuple[int, dict[str, str]]:
    answer = client.get("/readyz")
    return answer.status_code, json.loads(answer.content)


def scheduler_ticked() -> None:
    Installation.objects.update_or_create(
        pk=1, defaults={"scheduler_seen_at": database_now(), "reaped_at": database_now()}
    )


def test_a_living_process_says_ok(client: Client) -> None:
    answer = client.get("/healthz")

    assert (answer.status_code, answer.content) == (200, b"ok")


def test_health_is_not_written_to(client: Client) -> None:
    assert client.post("/healthz").status_code == 405
    assert client.post("/readyz").status_code == 405


@pytest.mark.django_db(transaction=True)
def test_ready_when_everything_is_there(client: Client, workers: Any) -> None:
    scheduler_ticked()

    assert ready(client) == (
        200, {"database": "ok", "redis": "ok", "workers": "ok", "scheduler": "ok"},
    )  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_a_queue_without_a_worker_is_named(client: Client, workers: list[QueueState]) -> None:
    scheduler_ticked()
    make_processor("orders", queue="high", state="started")
    workers.append(QueueState("high", 3, 0))

    assert ready(client)[0] == 503
    assert ready(client)[1]["workers"] == "none listens to high"


@pytest.mark.django_db(transaction=True)
def test_a_queue_that_nobody_uses_needs_no_worker(
    client: Client, workers: list[QueueState]
) -> None:
    scheduler_ticked()
    make_processor("orders", queue="high", state="stopped")
    workers.append(QueueState("high", 0, 0))

    assert ready(client)[0] == 200


@pytest.mark.django_db(transaction=True)
def test_redis_that_is_down_is_named(client: Client, redis_server: Any) -> None:
    redis_server.stop()
    try:
        status, words = ready(client)
    finally:
        redis_server.start()

    assert status == 503
    assert words["redis"] == "does not answer"


@pytest.mark.django_db(transaction=True)
def test_a_database_that_fails_is_named_without_its_own_words(
    client: Client, workers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OperationalError("host=secret")

    monkeypatch.setattr("processors.views.database_now", fail)
    status, words = ready(client)

    assert status == 503
    assert words["database"] == "does not answer (OperationalError)"


@pytest.mark.django_db(transaction=True)
def test_what_does_not_answer_in_time_is_not_waited_for(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    import threading

    answer = threading.Event()

    def hang(names: list[str]) -> list[QueueState]:
        answer.wait(PATIENCE_SECONDS)
        return []

    monkeypatch.setattr("processors.views.ANSWER_SECONDS", 0.1)
    monkeypatch.setattr("processors.views.queue_states", hang)
    status, words = ready(client)
    answer.set()

    assert status == 503
    assert words["redis"].startswith("no answer within")
