"""`doctor` on Redis: foreign jobs, its settings, rights, age and clock."""

import json
import socket
from typing import Any
from unittest import mock

import pytest
import redis

from processors import queues
from processors.queues import inspection
from processors.queues.line import line
from tests.factories import make_processor
from tests.management.conftest import Call, CallJson, Refuse
from tests.management.doctor.conftest import findings
from tests.servers import RedisServer

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


def foreign_job(client: Any, queue: str = "default") -> str:
    data = json.dumps(["os.system", None, ["true"], {}]).encode()
    client.hset("rq:job:evil", mapping={"data": data, "created_at": "2026-11-21T10:00:00Z"})
    client.lpush(f"rq:queue:{queue}", "evil")
    return "evil"


def test_a_foreign_job_is_found_and_removed(
    client: Any, refuse: Refuse, call_json: CallJson
) -> None:
    foreign_job(client)
    queues.wake_for_act(1)

    assert refuse("doctor") == "1 error found."
    [found] = call_json("doctor", "--fix")["findings"]

    assert "os.system" in found["what"]
    assert found["mended"]
    assert client.llen("rq:queue:default") == 1
    assert not client.exists("rq:job:evil")


def test_a_job_that_cannot_be_read_is_foreign(client: Any) -> None:
    client.hset("rq:job:odd", mapping={"data": b"\x80\x04pickle", "created_at": "never"})
    client.lpush("rq:queue:low", "odd")

    [found] = findings("queue 'low'")

    assert "cannot be read" in found.what


def test_an_entry_of_the_schedule_without_a_job_is_removed(client: Any, call: Call) -> None:
    client.zadd("rq:scheduler:scheduled_jobs", {"nothing": 1})

    said = call("doctor", "--fix")

    assert "schedule of rq-scheduler" in said
    assert client.zcard("rq:scheduler:scheduled_jobs") == 0


def test_our_own_jobs_are_not_foreign() -> None:
    queues.wake(1, "default", 5)

    assert findings("Redis") == []


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_an_eviction_policy_that_loses_wake_ups_is_an_error(
    client: Any, refuse: Refuse, policy: str
) -> None:
    client.config_set("maxmemory", "100mb")
    client.config_set("maxmemory-policy", policy)
    try:
        [found] = findings("Redis")
        said = refuse("doctor")
    finally:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "0")

    assert policy in found.what
    assert "maxmemory-policy noeviction" in found.mend
    assert said == "1 error found."


def test_a_redis_that_is_away_is_one_error(redis_server: RedisServer) -> None:
    make_processor(state="started")
    redis_server.stop()

    [found] = findings()

    assert found.what.startswith("It does not answer")


def test_a_host_name_that_stops_resolving_is_told_as_what_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    elsewhere = redis.Redis.from_url("redis://gone.example.org:6379/0")
    monkeypatch.setattr(inspection, "line", lambda: elsewhere)
    unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    monkeypatch.setattr(socket, "getaddrinfo", mock.Mock(side_effect=unknown))

    [found] = findings("Redis")

    assert found.what.startswith("Its host name is unknown")
    assert "example.org" not in found.what + found.mend


def test_a_redis_that_cannot_write_its_file_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    full = mock.Mock(wraps=line(), info=lambda: {"aof_last_write_status": "err"})
    monkeypatch.setattr(inspection, "line", lambda: full)

    [found] = findings("Redis")

    assert "cannot write its file" in found.what
    assert "Make room" in found.mend


def test_a_wrong_password_is_told_as_what_it_is(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_password = redis_server.url.replace("://", "://nobody:wrong@", 1)
    monkeypatch.setattr(inspection, "line", lambda: redis.Redis.from_url(with_password))

    [found] = findings("Redis")

    assert "refuses our user or password" in found.what
    assert "wrong" not in found.what + found.mend


def test_commands_that_an_acl_denies_are_named(client: Any) -> None:
    client.execute_command("ACL", "SETUSER", "default", "-lpush", "-zadd")
    try:
        found = findings("Redis")
    finally:
        client.execute_command("ACL", "SETUSER", "default", "+@all")

    assert "Our user may not use LPUSH, ZADD" in found[0].what


def test_a_redis_that_is_too_old_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    old = inspection.RedisFacts(version="5.0.14")
    monkeypatch.setattr("processors.diagnosis.redis.redis_facts", lambda: old)

    [found] = findings("Redis")

    assert "5.0.14, too old" in found.what


def test_a_redis_with_another_clock_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processors.diagnosis.redis.clock_ahead_seconds", lambda: -90.0)

    [found] = findings("Redis")

    assert "90 s behind" in found.what
