"""`manage.py doctor`: what is wrong, where, and how to mend it."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import psycopg2
import pytest
import redis
from django.conf import settings
from django.db import connection, connections
from django.utils.timezone import now

from processors import diagnosis, queues
from processors.diagnosis import databases, work
from processors.handlers import registry
from processors.models import Installation, Processor
from processors.queues import census, inspection, roll_call
from tests.conftest import Manage, StartWorker
from tests.factories import make_batch, make_processor, make_record, make_run, make_table_source
from tests.management.conftest import Call, CallJson, Refuse
from tests.servers import PostgresServer, RedisServer
from tests.waiting import wait_until

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


SAFE = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "transaction_isolation": "read committed",
}


@pytest.fixture(autouse=True)
def _sound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler was seen, and the tests' hasty Postgres is not held against us."""
    Installation.objects.update(scheduler_seen_at=now())
    monkeypatch.setattr(databases, "postgres_settings", lambda: SAFE)


@pytest.fixture
def client(redis_server: RedisServer) -> Any:
    with redis.Redis.from_url(redis_server.url) as found:
        yield found


def findings(where: str = "") -> list[diagnosis.Finding]:
    return [each for each in diagnosis.examine() if where in each.where]


def test_a_sound_installation_has_nothing_wrong(call: Call) -> None:
    make_processor("orders")
    make_processor("rows", source=make_table_source(1))

    assert call("doctor") == "Nothing is wrong."


def test_a_dead_scheduler_is_an_error(refuse: Refuse) -> None:
    Installation.objects.update(scheduler_seen_at=now() - timedelta(minutes=5))

    [found] = findings()

    assert (found.level, found.where) == ("error", "scheduler")
    assert "None has been seen since" in found.what
    assert found.mend == "Start `manage.py rqscheduler`."
    assert refuse("doctor") == "1 error found."


def test_a_used_queue_without_a_worker_is_an_error(refuse: Refuse) -> None:
    make_processor("orders", state="started", queue="high")

    [found] = findings("queue 'high'")

    assert "orders" in found.what
    assert found.mend == "Start `manage.py rqworker high`."
    assert refuse("doctor") == "1 error found."


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_that_listens_is_seen(start_worker: StartWorker) -> None:
    make_processor(state="started", queue="high")
    start_worker("high")

    assert findings("queue") == []


def test_an_unknown_handler_is_named() -> None:
    make_processor("orders", handler="gone.send")

    [found] = findings("processor 'orders'")

    assert "'gone.send'" in found.what
    assert found.level == "warning"


def test_a_table_that_was_dropped_is_named() -> None:
    make_processor("rows", source=make_table_source() | {"table": "customer_orders"})

    [found] = findings("processor 'rows'")

    assert found.where.endswith("source.table")


def test_a_fault_is_told_with_the_way_out() -> None:
    make_processor("orders", fault_reason="Too many failures.")

    [found] = findings("processor 'orders'")

    assert "Too many failures." in found.what
    assert "clear-fault orders" in found.mend


def test_work_that_nobody_takes_care_of_is_told() -> None:
    long_ago = now() - timedelta(hours=1)
    make_processor("late", state="started", next_due_at=long_ago)
    make_batch(make_run(make_processor("lost")), lease_until=long_ago)

    assert "has not begun" in findings("processor 'late'")[0].what
    assert "silent" in findings("of lost")[0].what


def test_outcomes_that_another_database_has_not_heard_are_told() -> None:
    processor = make_processor("rows", source=make_table_source(1, database="shop"))
    long_ago = now() - timedelta(hours=1)
    make_record(processor, state="done", synced=False, settled_at=long_ago)

    [found] = findings("processor 'rows'")

    assert found.what == "Its table in 'shop' has not heard the outcome of 1 records."


# Redis


def foreign_job(client: Any, queue: str = "default") -> str:
    data = json.dumps(["os.system", None, ["true"], {}]).encode()
    client.hset("rq:job:evil", mapping={"data": data, "created_at": "2026-11-21T10:00:00Z"})
    client.lpush(f"rq:queue:{queue}", "evil")
    return "evil"


def test_a_foreign_job_is_found_and_removed(
    client: Any, refuse: Refuse, call_json: CallJson
) -> None:
    foreign_job(client)
    queues.wake(1, "default")

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
    monkeypatch.setattr(census, "clock_ahead_seconds", lambda: -90.0)

    [found] = findings("Redis")

    assert "90 s behind" in found.what


# Workers


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
        said = refuse("doctor")
    finally:
        stock.terminate()
        stock.wait(20)

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

    [worker] = census.look_at_workers()

    assert "demo.price_order" in (worker.handlers or ())
    assert worker.code == roll_call.code_digest()
    assert abs(worker.clock_ahead_seconds) < 5
    assert not [found for found in findings("worker") if "worker" in found.where]


# This process


def test_debug_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "DEBUG", True)

    assert findings("DEBUG")[0].level == "warning"


@pytest.mark.parametrize("key", ["short", "only-for-tests-and-debugging"])
def test_a_secret_key_that_can_be_known_is_told(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setattr(settings, "TESTING", False)
    monkeypatch.setattr(settings, "SECRET_KEY", key)

    [found] = findings("SECRET_KEY")

    assert found.level == "error"
    assert "short" not in found.what


def test_a_lease_shorter_than_a_stall_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "TESTING", False)
    monkeypatch.setattr(settings, "LEASE_SECONDS", 2)

    [found] = findings("LEASE_SECONDS")

    assert found.level == "warning"
    assert "Set it to 20 or more" in found.mend


def test_handlers_that_could_not_be_imported_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.failures, "shop", "SyntaxError: invalid syntax")

    [found] = findings("app 'shop'")

    assert "SyntaxError" in found.what


def test_a_job_class_that_is_not_ours_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.RQ, "JOB_CLASS", "rq.job.Job")

    [found] = findings("setting")

    assert found.where == "setting RQ['JOB_CLASS']"


# Databases


def test_missing_migrations_stop_the_examination(monkeypatch: pytest.MonkeyPatch) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'processors'")
    make_processor(handler="gone.send")

    [found] = findings()

    assert found.mend == "Run `manage.py migrate`."


def test_a_large_table_without_an_index_on_its_status_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("processors.sources.trial.SCAN_WARNING_ROWS", 1)
    make_processor("rows", source=make_table_source(10))

    [found] = findings("processor 'rows'")

    assert found.mend.startswith("Add: CREATE INDEX")


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="needs rights")
def test_a_right_that_was_revoked_is_told() -> None:
    make_processor("rows", source=make_table_source(1), state="started")
    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE reader")
        cursor.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        cursor.execute("SET ROLE reader")
        try:
            found = list(work.sources())
        finally:
            cursor.execute("RESET ROLE")

    assert any("may read but not update" in each.what for each in found)
    assert all(each.level == "error" and each.mend for each in found)


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="transactions of Postgres")
def test_a_transaction_that_stays_open_is_told_with_its_process(
    monkeypatch: pytest.MonkeyPatch, postgres: PostgresServer
) -> None:
    monkeypatch.setattr(databases, "LONG_SECONDS", 0)
    idle = psycopg2.connect(postgres.url(str(connection.settings_dict["NAME"])))
    with idle.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = idle.info.backend_pid
    found = list(databases.long_transactions())
    idle.close()

    assert any(f"pg_terminate_backend({pid})" in each.mend for each in found)
    assert {each.level for each in found} == {"error"}


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="slots of Postgres")
def test_a_replication_slot_without_a_reader_is_told_with_its_end(
    refuse: Refuse,
) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_create_physical_replication_slot('gone', true)")
        try:
            found = findings("database")
            said = refuse("doctor")
        finally:
            cursor.execute("SELECT pg_drop_replication_slot('gone')")

    assert [each.mend for each in found] == [
        "Bring its standby back, or end it: SELECT pg_drop_replication_slot('gone')."
    ]
    assert said == "1 error found."


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="transactions of Postgres")
def test_a_prepared_transaction_that_nobody_ends_is_told_with_its_end(
    monkeypatch: pytest.MonkeyPatch, postgres: PostgresServer
) -> None:
    monkeypatch.setattr(databases, "LONG_SECONDS", 0)
    with psycopg2.connect(postgres.url("postgres")) as other:
        other.tpc_begin(other.xid(0, "forgotten", ""))
        other.tpc_prepare()
        found = list(databases.prepared_transactions())
        other.tpc_rollback()

    assert [each.level for each in found] == ["error"]
    assert "ROLLBACK PREPARED" in found[0].mend


@pytest.mark.skipif("connection.vendor == 'postgresql'", reason="settings of SQLite")
def test_an_sqlite_on_a_network_disk_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "disk_of", lambda _: "nfs4")

    assert any("network file system (nfs4)" in found.what for found in findings("database"))


def test_the_kind_of_a_disk_is_found() -> None:
    assert databases.disk_of(Path("/proc/self/status")) == "proc"


@pytest.mark.skipif("connection.vendor == 'postgresql'", reason="settings of SQLite")
def test_an_sqlite_that_does_not_wait_for_its_turn_is_told() -> None:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        [usual] = cursor.fetchone()
        cursor.execute("PRAGMA busy_timeout = 100")
        found = findings("database")
        cursor.execute(f"PRAGMA busy_timeout = {usual}")

    assert any("busy timeout is 100 ms" in each.what for each in found)


@pytest.mark.skipif("connection.vendor == 'postgresql'", reason="settings of SQLite")
def test_an_sqlite_that_forgets_commits_or_has_no_log_is_told(tmp_path: Path) -> None:
    alone = connection.copy()
    alone.settings_dict = {**alone.settings_dict, "NAME": str(tmp_path / "alone.sqlite3")}
    with alone.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode = DELETE")
        cursor.execute("PRAGMA synchronous = OFF")
        with mock.patch.object(databases, "connection", alone):
            found = list(databases.settings_of_sqlite())
    alone.close()

    assert [each.level for each in found] == ["error", "error"]
    assert "journal mode is delete" in found[0].what
    assert "synchronous is not FULL" in found[1].what
    assert all("DATABASE_URL" in each.mend for each in found)


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="one clock")
def test_another_clock_than_the_databases_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "database_now", lambda: now() + timedelta(minutes=2))

    [found] = findings("this machine")

    assert "120 s behind" in found.what
    assert found.level == "error"


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="settings of Postgres")
@pytest.mark.parametrize(
    ("name", "value", "level"),
    [
        ("fsync", "off", "error"),
        ("full_page_writes", "off", "error"),
        ("synchronous_commit", "off", "error"),
        ("default_transaction_isolation", "serializable", "warning"),
        ("transaction_isolation", "repeatable read", "warning"),
        ("default_transaction_read_only", "on", "error"),
    ],
)
def test_a_postgres_that_may_take_back_commits_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, level: str
) -> None:
    monkeypatch.setattr(databases, "postgres_settings", lambda: {**SAFE, name: value})

    [found] = findings("database")

    assert found.level == level


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="settings of Postgres")
def test_settings_of_postgres_are_asked_for_by_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    assert set(databases.postgres_settings()) == set(SAFE)


@pytest.mark.skipif("connection.vendor == 'postgresql'", reason="settings of SQLite")
def test_an_sqlite_whose_readers_wait_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections["default"], "transaction_mode", "DEFERRED")

    assert any("IMMEDIATE" in found.what for found in findings("database"))


def test_a_database_out_of_reach_is_one_error_without_an_address(manage: Manage) -> None:
    ended = manage("doctor", DATABASE_URL="postgres://user:hush@127.0.0.1:1/none")

    assert ended.returncode == 1
    assert "nothing listens at its address" in ended.stdout
    assert "hush" not in ended.stdout + ended.stderr
    assert not Processor.objects.exists()
