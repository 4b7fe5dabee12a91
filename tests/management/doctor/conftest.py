"""An installation that is sound but for what a test does to it, examined by `manage.py doctor`."""

from typing import Any

import pytest
import redis
from django.utils.timezone import now

from processors import diagnosis
from processors.diagnosis import databases
from processors.models import Installation
from tests.servers import RedisServer

SAFE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "transaction_isolation": "read committed",
}


sqlite_settings = databases.sqlite_settings


@pytest.fixture(autouse=True)
def _sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler was seen, and that the tests' databases are hasty is not held against us."""
    Installation.objects.update(scheduler_seen_at=now())
    monkeypatch.setattr(databases, "postgres_settings", lambda: SAFE)
    monkeypatch.setattr(
        databases, "sqlite_settings", lambda: sqlite_settings() | {"synchronous": 2}
    )


@pytest.fixture
def client(redis_server: RedisServer) -> Any:
    with redis.Redis.from_url(redis_server.url) as found:
        yield found


def findings(where: str = "") -> list[diagnosis.Finding]:
    return [each for each in diagnosis.examine() if where in each.where]
