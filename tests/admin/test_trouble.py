"""Every page opens in every trouble, and says what the trouble is: none waits, none breaks."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.test import Client

from processors.models import Processor
from processors.queues.line import line
from tests.browser.pages import PAGES, filled

pytestmark = pytest.mark.django_db

NO_REDIS = "Redis does not answer"
NO_WORKER = "No worker listens to queue"
READ_ONLY = "The database is read-only"


@pytest.fixture
def seen(admin: Client) -> dict[str, Any]:
    """Something of everything, to be handled by workers that are somewhere else."""
    found = filled()
    Processor.objects.update(state="started", queue="low")
    return found


def pages_without(client: Client, seen: dict[str, Any], sentence: str) -> list[str]:
    """The pages that do not open or do not say so; nothing is remembered from one to the next."""
    silent = []
    for name, address in PAGES.items():
        cache.clear()
        answer = client.get(address(seen))
        if answer.status_code != 200 or sentence not in answer.text:
            silent.append(f"{name}: {answer.status_code}")
    return silent


class Deaf:
    """A server that takes connections and never says a word: its kernel takes them."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1_000)
        self.socket.setblocking(False)
        self.callers: list[socket.socket] = []

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.socket.getsockname()[1]}/0"

    def heard(self) -> int:
        """How many have called by now."""
        with suppress(BlockingIOError):
            while True:
                self.callers.append(self.socket.accept()[0])
        return len(self.callers)

    def close(self) -> None:
        self.heard()
        for each in (self.socket, *self.callers):
            each.close()


@pytest.fixture
def deaf_redis(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Deaf]]:
    """From the call on our line leads to a server that hangs."""
    server = Deaf()

    def cut() -> Deaf:
        monkeypatch.setattr(settings, "REDIS_URL", server.url)
        monkeypatch.setattr("processors.queues.line.PATIENCE_SECONDS", 0.02)
        line.cache_clear()
        return server

    yield cut
    server.close()
    line.cache_clear()


def test_every_page_says_that_redis_is_down(
    admin: Client, seen: dict[str, Any], redis_server: Any
) -> None:
    redis_server.stop()
    try:
        silent = pages_without(admin, seen, NO_REDIS)
    finally:
        redis_server.start()

    assert silent == []


def test_every_page_asks_a_redis_that_hangs_no_more_than_once(
    admin: Client, seen: dict[str, Any], deaf_redis: Callable[[], Deaf]
) -> None:
    server = deaf_redis()

    assert pages_without(admin, seen, NO_REDIS) == []

    assert server.heard() == len(PAGES)


def test_redis_is_asked_anew_by_the_next_request(
    admin: Client, deaf_redis: Callable[[], Deaf]
) -> None:
    server = deaf_redis()

    for asked in (1, 2):
        cache.clear()
        admin.get("/admin/queues/")
        assert server.heard() == asked


def test_every_page_says_that_no_worker_listens(admin: Client, seen: dict[str, Any]) -> None:
    assert pages_without(admin, seen, NO_WORKER) == []


@contextmanager
def read_only() -> Iterator[None]:
    """Every change is refused from here on, as a standby refuses it."""
    is_postgres = connection.vendor == "postgresql"
    connection.check_constraints()  # those of the rows made so far; later it could not
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ ONLY" if is_postgres else "PRAGMA query_only = ON")
    try:
        yield
    finally:
        if not is_postgres:
            with connection.cursor() as cursor:
                cursor.execute("PRAGMA query_only = OFF")


def test_every_page_says_that_the_database_is_read_only(
    admin: Client, seen: dict[str, Any]
) -> None:
    with read_only():
        silent = pages_without(admin, seen, READ_ONLY)

    assert silent == []
