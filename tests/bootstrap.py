"""The environment of a test run: set before Django reads its settings.

A pytest plugin named in pyproject.toml, because a conftest would come too late. It decides where
the servers will be; they are started by the fixtures that need them.

TEST_DATABASE=sqlite (default) or postgres chooses the database.
"""

import atexit
import os
import shutil
import signal
import tempfile
from pathlib import Path
from urllib.parse import urlencode

import pytest

from config.databases import SQLITE_OWN_PRAGMAS
from tests.servers import PostgresServer, RedisServer

# What a developer may have set for his own copy must not change what is tested.
OWN_PREFIXES = ("DATABASE_URL", "DJANGO_")
OWN_NAMES = (
    *("ALLOWED_HOSTS", "BEHIND_TLS_PROXY", "DEBUG", "DEMO_PARTNER_URL"),
    *("INSECURE_HTTP", "LEASE_SECONDS", "LOG_LEVEL", "MAX_PAYLOAD_BYTES", "PORT", "QUEUES"),
    *("REDIS_URL", "SECRET_KEY", "TIME_ZONE", "VAR_DIR"),
)

TEST_DATABASE = os.environ.get("TEST_DATABASE") or "sqlite"
if TEST_DATABASE not in ("sqlite", "postgres"):
    raise pytest.UsageError(f"TEST_DATABASE is '{TEST_DATABASE}': write sqlite or postgres.")

# A shell begins what it puts into the background deaf to Ctrl-C, and whoever that starts as well.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

DIRECTORY = Path(tempfile.mkdtemp(prefix="recordmill-tests-"))
# Postgres may run under another account and must reach its data through here.
DIRECTORY.chmod(0o755)
POSTGRES = PostgresServer(DIRECTORY / "postgres") if TEST_DATABASE == "postgres" else None
REDIS = RedisServer(DIRECTORY / "redis")


def database_url(alias: str, name: str) -> str:
    """Of a database of this run. As its Postgres, its SQLite waits for no disk."""
    if POSTGRES:
        return POSTGRES.url(name)
    pragmas = f"{SQLITE_OWN_PRAGMAS if alias == 'default' else ''}PRAGMA synchronous=OFF;"
    return f"sqlite:///{name}?{urlencode({'init_command': pragmas})}"


def name_of(database: str) -> str:
    return database if POSTGRES else str(DIRECTORY / f"{database}.sqlite3")


def _set_environment() -> None:
    for name in list(os.environ):
        if name.startswith(OWN_PREFIXES) or name in OWN_NAMES:
            del os.environ[name]
    os.environ |= {
        "RECORDMILL_TESTING": "1",
        "VAR_DIR": str(DIRECTORY / "var"),
        "DATABASE_URL": database_url("default", name_of("recordmill")),
        "DATABASE_URL_SHOP": database_url("shop", name_of("shop")),
        "REDIS_URL": REDIS.url,
        "HANDLER_APPS": "demo,tests.handling",
    }


def once(why: str) -> pytest.MarkDecorator:
    """For what both databases would answer alike: it is asked on SQLite alone."""
    return pytest.mark.skipif(TEST_DATABASE != "sqlite", reason=f"{why}: asked on SQLite")


def pytest_report_header() -> str:
    return f"database: {TEST_DATABASE}"


def _clean_up(owner: int) -> None:
    if os.getpid() != owner:
        return  # a process that a test forked
    REDIS.stop()
    if POSTGRES is not None:
        POSTGRES.stop()
    shutil.rmtree(DIRECTORY, ignore_errors=True)


_set_environment()
# Not pytest_unconfigure: a run that ends before it began must leave nothing either.
atexit.register(_clean_up, os.getpid())
