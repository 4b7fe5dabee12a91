"""Turns DATABASE_URL and DATABASE_URL_<ALIAS> into Django's DATABASES."""

from pathlib import Path
from typing import Any

import dj_database_url

from config.environment import BadSetting, Environment

KINDS = {"django.db.backends.sqlite3": "sqlite", "django.db.backends.postgresql": "postgres"}

# A deferred transaction that reads and then writes fails at once when another writer is active;
# IMMEDIATE waits for its turn, up to the timeout in seconds.
SQLITE_OPTIONS = {"transaction_mode": "IMMEDIATE", "timeout": 20}
# Kept to our own file: WAL stays in the file, and a table of the user's must not change its mode.
SQLITE_OWN_PRAGMAS = "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA foreign_keys=ON;"

# Default record time limit (300 s) and a minute more: a handler may hold its transaction that long.
IDLE_IN_TRANSACTION_SECONDS = 360
# A query whose client is gone ends within a second instead of holding its locks to the end.
POSTGRES_SESSION = {
    "lock_timeout": "5s",
    "statement_timeout": "60s",
    "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_SECONDS}s",
    "client_connection_check_interval": "1s",
    # What is asked here is over before a compiler has begun, whatever its cost was guessed to be.
    "jit": "off",
}
# Seconds, except tcp_user_timeout (milliseconds): a dead server is noticed within half a minute.
POSTGRES_OPTIONS = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "options": " ".join(f"-c {name}={value}" for name, value in POSTGRES_SESSION.items()),
}
# Idle web connections are kept this long; work horses open their own anyway.
CONNECTION_SECONDS = 30


def read_databases(env: Environment, var: Path) -> dict[str, dict[str, Any]]:
    """`default` from DATABASE_URL (SQLite in `var` when not given), one alias per suffix."""
    own = env.text("DATABASE_URL", f"sqlite:///{var / 'recordmill.sqlite3'}")
    databases = {"default": _parse("DATABASE_URL", own, own=True)}
    for suffix, url in env.starting_with("DATABASE_URL_").items():
        alias = suffix.lower()
        if alias == "default":
            raise BadSetting("DATABASE_URL_DEFAULT is not used: set DATABASE_URL.")
        databases[alias] = _parse(f"DATABASE_URL_{suffix}", url, own=False)
    return databases


def _parse(name: str, url: str, *, own: bool) -> dict[str, Any]:
    """One entry of DATABASES. The error never shows the URL: it may hold a password."""
    try:
        parsed = dj_database_url.parse(
            url, conn_max_age=CONNECTION_SECONDS, conn_health_checks=True
        )
    except (ValueError, KeyError):
        raise BadSetting(
            f"{name} cannot be read: write postgres://user:password@host:5432/name "
            "or sqlite:////absolute/path.sqlite3."
        ) from None
    database: dict[str, Any] = dict(parsed)
    kind = KINDS.get(database["ENGINE"])
    if kind is None:
        raise BadSetting(f"{name} is for {database['ENGINE']}: only Postgres and SQLite work.")
    # Names in the URL win, and an empty one takes ours away (PgBouncer refuses `options`).
    options = _default_options(kind, own=own) | database.get("OPTIONS", {})
    database["OPTIONS"] = {key: value for key, value in options.items() if value != ""}
    if not database["NAME"]:
        raise BadSetting(f"{name} names no database: write it after the last slash.")
    if kind == "postgres":
        # Server-side cursors do not survive a transaction-pooling PgBouncer.
        database["DISABLE_SERVER_SIDE_CURSORS"] = True
    return database


def _default_options(kind: str, *, own: bool) -> dict[str, Any]:
    if kind == "postgres":
        return dict(POSTGRES_OPTIONS)
    return SQLITE_OPTIONS | ({"init_command": SQLITE_OWN_PRAGMAS} if own else {})


class OwnTablesInDefault:
    """Router: migrations touch `default` only; the other databases belong to somebody else."""

    def allow_migrate(self, db: str, app_label: str, **hints: object) -> bool | None:
        return db == "default"
