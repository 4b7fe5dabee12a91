"""Whoever can write to Redis cannot run code on our workers, nor end them."""

import pickle
import time
import uuid
import zlib
from pathlib import Path

import pytest
import redis
from rq.utils import as_text

from processors import control
from tests.conftest import StartScheduler, StartWorker
from tests.servers import RedisServer
from tests.stories import act, define, fill_inbox, numbered, wait_for_end
from tests.waiting import wait_until


class Canary:
    """Unpickling it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, (f"open({str(self.path)!r}, 'w').close()",))


@pytest.fixture
def client(redis_server: RedisServer) -> redis.Redis:
    return redis.Redis.from_url(redis_server.url)


def push(client: redis.Redis, data: bytes, **fields: str) -> str:
    name = str(uuid.uuid4())
    client.hset(
        f"rq:job:{name}",
        mapping={
            "data": data,
            "created_at": "2026-11-21T00:00:00.000000Z",
            "origin": "default",
            "status": "queued",
            "timeout": "60",
            **fields,  # type: ignore[dict-item]
        },
    )
    client.rpush("rq:queue:default", name)
    client.sadd("rq:queues", "rq:queue:default")
    return name


def touch(path: Path) -> bytes:
    return f'["pathlib.Path.touch", null, ["{path}"], {{}}]'.encode()


def test_hostile_jobs_are_refused_and_the_worker_goes_on(
    start_worker: StartWorker, client: redis.Redis, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    worker = start_worker()
    push(client, f'["os.system", null, ["touch {canary}"], {{}}]'.encode())
    push(client, pickle.dumps(("os.system", None, [f"touch {canary}"], {})))
    push(client, pickle.dumps(Canary(canary)))
    push(client, b'["builtins.exec", null, ["1"], {}]', success_callback_name="os.abort")
    push(client, b"\x00\xff not json")
    push(client, b'["processors.tasks.work", null, [1], {}]', timeout="abc", created_at="nonsense")
    client.rpush("rq:queue:default", "no-such-job")

    processor = define("effect")
    fill_inbox(processor, numbered(5))
    wait_for_end(control.run_once(processor.pk, act()))

    assert not canary.exists()
    assert worker.is_running()
    assert "refused" in worker.log()


def test_hostile_entries_in_the_schedule_are_removed(
    start_worker: StartWorker,
    start_scheduler: StartScheduler,
    client: redis.Redis,
    tmp_path: Path,
) -> None:
    canary = tmp_path / "canary"
    for data in (pickle.dumps(Canary(canary)), b'["os.system", null, ["true"], {}]', b"\xff"):
        name = push(client, data)
        client.lrem("rq:queue:default", 0, name)
        client.zadd("rq:scheduler:scheduled_jobs", {name: time.time() - 1})
    start_worker()
    scheduler = start_scheduler()

    wait_until(
        lambda: client.zcard("rq:scheduler:scheduled_jobs") == 0, message="they are still there"
    )

    assert scheduler.is_running()
    assert not canary.exists()


def test_the_plain_worker_speaks_json_only(start_worker: StartWorker, client: redis.Redis) -> None:
    processor = define("effect")
    fill_inbox(processor, numbered(1))
    run = control.run_once(processor.pk, act())

    name = as_text(client.lrange("rq:queue:default", 0, 0)[0])
    data = zlib.decompress(client.hget(f"rq:job:{name}", "data") or b"")  # type: ignore[arg-type]

    assert data == f'["processors.tasks.work", null, [{run.pk}], {{}}]'.encode()
