"""Databases that can't be reached (FAULTS B36): a sentence in time, and no address in it."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connections

from processors.sources.dialect import can_pass
from processors.sources.inspection import inspect_source

on_postgres = pytest.mark.skipif(
    "postgresql" not in connections.settings["shop"]["ENGINE"], reason="SQLite has no server"
)


def problems() -> dict[str, list[str]]:
    return inspect_source({"kind": "table", "database": "erp", "table": "orders"}).problems


@pytest.fixture
def add_erp(
    django_db_blocker: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., None]]:
    """Adds a database 'erp' like 'shop' with other settings, until the test ends."""

    def add(**changes: Any) -> None:
        settings = {**connections.settings["shop"], **changes}
        monkeypatch.setitem(connections.settings, "erp", settings)

    with django_db_blocker.unblock():
        yield add
        if "erp" in connections.settings:
            connections["erp"].close()
            del connections["erp"]


@on_postgres
def test_b36_a_refused_connection_shows_no_address(add_erp: Callable[..., None]) -> None:
    add_erp(HOST="127.0.0.1", PORT="1", PASSWORD="secret")

    assert problems() == {"database": ["Can't connect to 'erp' (nothing listens at its address)."]}


@on_postgres
def test_a_host_name_that_stops_resolving_is_trouble_that_passes(
    add_erp: Callable[..., None],
) -> None:
    add_erp(HOST="no..host")  # refused as a name, before anybody is asked for it

    found = problems()
    with pytest.raises(OperationalError) as trouble:
        connections["erp"].ensure_connection()

    assert found == {"database": ["Can't connect to 'erp' (its host name is unknown)."]}
    assert can_pass(trouble.value)


@on_postgres
def test_b36_a_silent_server_is_given_up(
    add_erp: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("processors.sources.connecting.CONNECT_SECONDS", 2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        add_erp(HOST="127.0.0.1", PORT=str(silent.getsockname()[1]))

        found = problems()

    assert found == {"database": ["Can't connect to 'erp' (timed out after 5 s)."]}


def test_b36_a_missing_sqlite_file_is_not_created(
    add_erp: Callable[..., None], tmp_path: Path
) -> None:
    missing = tmp_path / "erp.sqlite3"
    add_erp(ENGINE="django.db.backends.sqlite3", NAME=str(missing), OPTIONS={})

    assert problems() == {"database": ["Can't connect to 'erp' (its file doesn't exist)."]}
    assert not missing.exists()


def test_b36_a_file_that_is_no_database_says_so(
    add_erp: Callable[..., None], tmp_path: Path
) -> None:
    file = tmp_path / "erp.sqlite3"
    file.write_text("not a database, but long enough to be taken for one" * 20)
    add_erp(ENGINE="django.db.backends.sqlite3", NAME=str(file), OPTIONS={})

    assert problems() == {
        "database": ["Can't connect to 'erp' (its file isn't a SQLite database)."]
    }
