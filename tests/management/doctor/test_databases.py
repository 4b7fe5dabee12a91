"""`doctor` on databases: migrations, indexes, rights, transactions, settings, clocks, reach."""

import re
import shutil
from datetime import timedelta
from pathlib import Path
from unittest import mock

import psycopg2
import pytest
from django.db import OperationalError, connection, connections
from django.utils.timezone import now

from processors.diagnosis import databases, work
from processors.diagnosis.tables import Tables
from processors.models import Processor
from tests.conftest import Manage
from tests.factories import make_processor, make_table_source
from tests.management.conftest import Refuse
from tests.management.doctor.conftest import SAFE, findings, sqlite_settings
from tests.servers import PostgresServer

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


def test_missing_migrations_stop_the_examination(monkeypatch: pytest.MonkeyPatch) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'processors'")
    make_processor(handler="gone.send")

    [found] = findings()

    assert found.mend == "Run `manage.py migrate`."


def test_a_large_table_without_an_index_on_its_status_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("processors.sources.indexing.SCAN_WARNING_ROWS", 1)
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
            found = list(work.sources(Tables.read()))
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
def test_an_sqlite_that_forgets_commits_or_has_no_log_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = connection.copy()
    alone.settings_dict = {**alone.settings_dict, "NAME": str(tmp_path / "alone.sqlite3")}
    with alone.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode = DELETE")
        cursor.execute("PRAGMA synchronous = OFF")
        monkeypatch.setattr(databases, "connection", alone)
        monkeypatch.setattr(databases, "sqlite_settings", sqlite_settings)
        found = list(databases.settings_of_sqlite())
    alone.close()

    assert [each.level for each in found] == ["error", "error"]
    assert "journal mode is delete" in found[0].what
    assert "synchronous is not FULL" in found[1].what
    assert all("DATABASE_URL" in each.mend for each in found)


@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="one clock")
def test_another_clock_than_the_databases_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "database_now", lambda: now() + timedelta(days=2))

    [found] = findings("this machine")

    assert re.search(r"Its clock is 172[78]\d\d s behind", found.what)
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


@pytest.mark.skipif(connection.vendor != "sqlite", reason="a server's disk is not ours to see")
@pytest.mark.parametrize(("left_mb", "level"), [(50, "warning"), (3, "error")])
def test_an_sqlite_whose_disk_is_nearly_full_is_told(
    monkeypatch: pytest.MonkeyPatch, left_mb: int, level: str
) -> None:
    usage = mock.Mock(free=left_mb * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    [found] = findings("database 'default'")

    assert found.what.startswith(f"Its disk has {left_mb} MB left")
    assert found.level == level


def test_a_source_behind_a_full_disk_is_not_called_broken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_processor("goods", source=make_table_source())
    full = mock.Mock(side_effect=OperationalError("database or disk is full"))
    monkeypatch.setattr(work, "inspect_source", full)
    monkeypatch.setattr(work, "can_pass", lambda _: True)

    [found] = findings("processor 'goods'")

    assert found.what == "database or disk is full"
    assert "Mend the table" not in found.mend
