"""Proxies in front of the run's servers, for workers that shall see bad weather."""

from collections.abc import Iterator

import pytest

from tests.proxy import Proxy
from tests.servers import RedisServer


@pytest.fixture
def redis_line(redis_server: RedisServer) -> Iterator[Proxy]:
    """Between a worker and Redis: `start_worker(REDIS_URL=redis_line.url(redis_server.url))`."""
    with Proxy.before(redis_server.url) as line:
        yield line


@pytest.fixture
def database_line(environment: dict[str, str]) -> Iterator[Proxy]:
    """Between a worker and Postgres: `start_worker(DATABASE_URL=database_line.url(…))`."""
    with Proxy.before(environment["DATABASE_URL"]) as line:
        yield line
