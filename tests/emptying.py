"""What a test has committed is taken away after it; what the models themselves are stays."""

from collections.abc import Sequence

from django.core.management.color import no_style
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase

from processors.models import Installation

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
        names = own.introspection.django_table_names(only_existing=True, include_views=False)
        names = [name for name in names if name not in LASTING]
        if names:
            own.ops.execute_sql_flush(statements(own, names))
    Installation.make()


def statements(own: BaseDatabaseWrapper, names: Sequence[str]) -> list[str]:
    """On Postgres, to truncate a table takes ten times as long as to delete a few rows."""
    if own.vendor != "postgresql" or not are_small(own, names):
        return own.ops.sql_flush(no_style(), names)
    tables = [own.ops.quote_name(name) for name in names]
    # The lock waits, as truncating does, for what a process that was killed has still sent.
    lock = f"LOCK TABLE {', '.join(tables)} IN EXCLUSIVE MODE"
    return ["; ".join([lock, *(f"DELETE FROM {table}" for table in tables)])]


def are_small(own: BaseDatabaseWrapper, names: Sequence[str]) -> bool:
    with own.cursor() as cursor:
        cursor.execute(LARGEST, [list(names)])
        return bool(cursor.fetchone()[0] <= SMALL_BYTES)
