"""What a test has committed is taken away after it; what the models themselves are stays."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.core.management.color import no_style
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase

from processors.models import Installation
from processors.sources.prepared import _kept

# Django would make them anew after each test, which takes longer than most tests do.
LASTING = {"auth_permission", "django_content_type"}
# Postgres plans for a table of up to ten pages as for one that was just truncated.
SMALL_BYTES = 10 * 8192
LARGEST = "SELECT max(pg_relation_size(quote_ident(name)::regclass)) FROM unnest(%s) AS name"


def empty(databases: TransactionTestCase) -> None:
    """The tables of our models, in the databases of one test; instead of Django's `flush`."""
    # pytest-django gives a test its databases by Django's own test case.
    for alias in databases._databases_names(include_mirrors=False):  # type: ignore[attr-defined]
        own = connections[alias]
        if names := names_in(alias):
            own.ops.execute_sql_flush(statements(own, names))
    Installation.make()


@cache
def names_in(alias: str) -> list[str]:
    """The tables that migrations made there: of a whole run the same."""
    found = connections[alias].introspection.django_table_names(
        only_existing=True, include_views=False
    )
    return [name for name in found if name not in LASTING]


def statements(own: BaseDatabaseWrapper, names: Sequence[str]) -> list[str]:
    """On Postgres, to truncate a table takes ten times as long as to delete a few rows."""
    if own.vendor != "postgresql" or not are_small(own, names):
        return own.ops.sql_flush(no_style(), names)
    tables = [own.ops.quote_name(name) for name in names]
    # The lock waits, as truncating does, for what a process that was killed has still sent.
    lock = f"LOCK TABLE {', '.join(tables)} IN EXCLUSIVE MODE"
    # All of it goes: no row need be looked for that refers to another.
    trust = "SET LOCAL session_replication_role = replica"
    return ["; ".join([trust, lock, *(f"DELETE FROM {table}" for table in tables)])]


def are_small(own: BaseDatabaseWrapper, names: Sequence[str]) -> bool:
    with own.cursor() as cursor:
        cursor.execute(LARGEST, [list(names)])
        return bool(cursor.fetchone()[0] <= SMALL_BYTES)


def renew_connections(_: TransactionTestCase) -> bool:
    """Instead of Django's closing all of them after a test that commits: a new one of Postgres
    must read the whole catalogue again. False, for nothing is left to be closed."""
    _kept.by_alias.clear()  # what they had prepared
    for own in connections.all(initialized_only=True):
        if not is_as_new(own):
            own.close()
    return False


def is_as_new(own: Any) -> bool:
    """Whether nothing is left in a session of what a test did in it."""
    if own.vendor != "postgresql" or own.connection is None or own.in_atomic_block:
        return False
    try:
        with own.connection.cursor() as cursor:
            cursor.execute("DISCARD ALL")  # refused in a transaction
    except own.Database.Error:
        return False
    return True
