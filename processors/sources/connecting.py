"""Reaching a configured database in a bounded time, and saying why it can't be reached."""

from pathlib import Path

from django.db import DatabaseError, InterfaceError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.connection import ConnectionDoesNotExist
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processors.sources.catalogue import ask

CONNECT_SECONDS = 5


class Unreachable(Exception):
    """The database can't be talked to; the text is for people and holds no address or password."""


def connect(alias: str) -> BaseDatabaseWrapper:
    """An open connection. Raises Unreachable within about 5 seconds."""
    try:
        connection = configured(alias)
        if connection.connection is None:
            probe(connection, alias)
        connection.ensure_connection()
    except (DatabaseError, InterfaceError) as error:
        raise Unreachable(connect_sentence(alias, error)) from error
    if connection.vendor not in ("postgresql", "sqlite"):
        raise Unreachable(
            _("'%(alias)s' is %(display_name)s; sources can be in PostgreSQL or SQLite.")
            % {"alias": alias, "display_name": connection.display_name}
        )
    return connection


def configured(alias: str) -> BaseDatabaseWrapper:
    """The database of that alias, connected or not. Raises Unreachable where settings have none."""
    try:
        return connections[alias]
    except ConnectionDoesNotExist as error:
        told = {"alias": alias, "variable": f"DATABASE_URL_{alias.upper()}"}
        raise Unreachable(_("'%(alias)s' is not known here: set %(variable)s.") % told) from error


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
        raise Unreachable(
            _("Can't connect to '%(alias)s' (its file doesn't exist).") % {"alias": alias}
        )


# What libpq and SQLite say, and what may be shown of it: their own texts hold hosts and users.
TIMED_OUT = gettext_lazy("timed out after 5 s")
CONNECT_REASONS = (
    ("timeout expired", TIMED_OUT),
    ("timed out", TIMED_OUT),
    ("refused", gettext_lazy("nothing listens at its address")),
    ("could not translate host", gettext_lazy("its host name is unknown")),
    ("authentication failed", gettext_lazy("user or password refused")),
    ("no password supplied", gettext_lazy("user or password refused")),
    ("no pg_hba.conf entry", gettext_lazy("the server doesn't admit this host or user")),
    ("too many", gettext_lazy("the server has no free connection")),
    ("remaining connection slots", gettext_lazy("the server has no free connection")),
    ("starting up", gettext_lazy("the server is starting up")),
    ("shutting down", gettext_lazy("the server is shutting down")),
    ("does not exist", gettext_lazy("user or database doesn't exist there")),
    ("no such file or directory", gettext_lazy("nothing listens at its address")),
    ("unable to open", gettext_lazy("its file can't be opened")),
    ("not a database", gettext_lazy("its file isn't a SQLite database")),
)


def connect_sentence(alias: str, error: Exception) -> str:
    """Why a connection failed, without the database's own text."""
    text = str(error).lower()
    reason = next((said for sign, said in CONNECT_REASONS if sign in text), _("no connection"))
    return _("Can't connect to '%(alias)s' (%(reason)s).") % {"alias": alias, "reason": reason}


def is_read_only(connection: BaseDatabaseWrapper) -> bool:
    """Whether this is a standby, or opened for reading only."""
    if connection.vendor == "sqlite":
        return bool(ask(connection, "PRAGMA query_only")[0][0])
    sql = "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool"
    return bool(ask(connection, sql)[0][0])
