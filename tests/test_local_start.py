"""What `make run` and `make demo` refuse, and wait for, before they start anything."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest import mock

import pytest
import redis

from deploy.embedded import EmbeddedRedis
from deploy.local import MB, CannotStart, refuse_full_disk


def test_a_start_on_a_full_disk_is_refused_in_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: mock.Mock(free=3 * MB))

    with pytest.raises(CannotStart, match=r"has only 3 MB left, 100 are needed: make room"):
        refuse_full_disk(tmp_path)


def test_a_start_where_there_is_room_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: mock.Mock(free=500 * MB))

    refuse_full_disk(tmp_path)


class _LoadsSlowly(EmbeddedRedis):
    """20 us for each command in its file; while it loads, it answers after each 1,024 of them."""

    @property
    def command(self) -> list[str]:
        return [*super().command, "--key-load-delay", "20"]


@pytest.fixture
def slow_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    server = _LoadsSlowly(tmp_path / "redis")
    yield server
    server.stop()


def test_a_redis_counts_as_started_when_it_has_loaded_what_it_had(
    slow_redis: EmbeddedRedis,
) -> None:
    slow_redis.start()
    with (
        closing(redis.Redis.from_url(slow_redis.url)) as client,
        client.pipeline(transaction=False) as pipeline,
    ):
        for number in range(8192):
            pipeline.set(f"key-{number}", "")
        pipeline.execute()
    slow_redis.kill()

    slow_redis.start()

    with closing(redis.Redis.from_url(slow_redis.url)) as client:
        assert client.get("key-8191") == b""
