"""Reaching a configured database in a bounded time, and saying why it can't be reached."""

from pathlib import Path

from django.db import DatabaseError, InterfaceError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from processors.sources.catalogue import ask

CONNECT_SECONDS = 5


class Unreachable(Exception):
    """The database can't be talked to; the text is for people and holds no address or password."""


def connect(alias: str) -> BaseDatabaseWrapper:
    """An open connection. Raises Unreachable within about 5 seconds."""
    connection = connections[alias]
    try:
        if connection.connection is None:
            probe(connection, alias)
        connection.ensure_connection()
    except (DatabaseError, InterfaceError) as error:
        raise Unreachable(connect_sentence(alias, error)) from error
    if connection.vendor not in ("postgresql", "sqlite"):
        raise Unreachable(
            f"'{alias}' is {connection.display_name}; sources can be in PostgreSQL or SQLite."
        )
    return connection


def probe(connection: BaseDatabaseWrapper, alias: str) -> None:
    """Try the address with our own time limit: a URL may take the settings' away."""
    if connection.vendor == "sqlite":
        return require_file(connection, alias)
    if connection.vendor == "postgresql":
        trial = connection.copy()
        options = {**trial.settings_dict["OPTIONS"], "connect_timeout": CONNECT_SECONDS}
        trial.settings_dict = {**trial.settings_dict, "OPTIONS": options}
        trial.ensure_connection()
        trial.close()
    return None


def require_file(connection: BaseDatabaseWrapper, alias: str) -> None:
    """SQLite would create a missing file and call it an empty database."""
    name = str(connection.settings_dict["NAME"])
    in_memory = ":memory:" in name or name.startswith("file:")
    if not in_memory and alias != "default" and not Path(name).exists():
        raise Unreachable(f"Can't connect to '{alias}' (its file doesn't exist).")


# What libpq and SQLite say, and what may be shown of it: their own texts hold hosts and users.
CONNECT_REASONS = (
    ("timeout expired", f"timed out after {CONNECT_SECONDS} s"),
    ("timed out", f"timed out after {CONNECT_SECONDS} s"),
    ("refused", "nothing listens at its address"),
    ("could not translate host", "its host name is unknown"),
    ("authentication failed", "user or password refused"),
    ("no password supplied", "user or password refused"),
    ("no pg_hba.conf entry", "the server doesn't admit this host or user"),
    ("too many", "the server has no free connection"),
    ("remaining connection slots", "the server has no free connection"),
    ("starting up", "the server is starting up"),
    ("shutting down", "the server is shutting down"),
    ("does not exist", "user or database doesn't exist there"),
    ("no such file or directory", "nothing listens at its address"),
    ("unable to open", "its file can't be opened"),
    ("not a database", "its file isn't a SQLite database"),
)


def connect_sentence(alias: str, error: Exception) -> str:
    """Why a connection failed, without the database's own text."""
    text = str(error).lower()
    reason = next((said for sign, said in CONNECT_REASONS if sign in text), "no connection")
    return f"Can't connect to '{alias}' ({reason})."


def is_read_only(connection: BaseDatabaseWrapper) -> bool:
    """Whether this is a standby, or opened for reading only."""
    if connection.vendor == "sqlite":
        return bool(ask(connection, "PRAGMA query_only")[0][0])
    sql = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool"
    return bool(ask(connection, sql)[0][0])
