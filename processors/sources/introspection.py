"""What a database says about its tables: the only names from which SQL is ever built.

Entry points: `aliases`, `tables`, `estimated_tables`, `find_table`, `columns`, `indexes`,
`quoted_table`, `quoted_name`. Nothing here judges a definition (see `inspection`) and nothing
here writes.
"""

import re
from dataclasses import replace

from django.apps import apps
from django.db import connections
from django.utils.translation import gettext as _

from processors.sources.catalogue import Column, Index, Table
from processors.sources.connecting import Unreachable, connect
from processors.sources.postgres_catalogue import (
    postgres_columns,
    postgres_indexes,
    postgres_relations,
)
from processors.sources.sqlite_catalogue import (
    sqlite_columns,
    sqlite_estimate,
    sqlite_indexes,
    sqlite_relations,
)

__all__ = [
    "Column",
    "Index",
    "Table",
    "Unreachable",
    "UnusableName",
    "aliases",
    "columns",
    "estimated_tables",
    "find_table",
    "indexes",
    "is_reserved",
    "quoted_name",
    "quoted_table",
    "tables",
]

MOST_ESTIMATED = 200  # SQLite is asked once for each table


class UnusableName(ValueError):
    """A name that can't be quoted safely."""


def aliases() -> list[str]:
    """The configured databases, `default` first."""
    return sorted(connections, key=lambda alias: (alias != "default", alias))


def quoted_name(alias: str, name: str) -> str:
    """An identifier for SQL. Raises UnusableName.

    Django's quote_name doubles no quotation marks and a `%` would be read as a placeholder, so
    names with either are refused; control characters are refused with them.
    """
    if not name or re.search(r'["%\x00-\x1f]', name):
        raise UnusableName(
            _(
                "The name '%(name)s' can't be used: it is empty or holds \", %% or a control "
                "character."
            )
            % {"name": name[:80]}
        )
    return connections[alias].ops.quote_name(name)


def quoted_table(alias: str, table: str) -> str:
    """A table for SQL; on Postgres each part of `schema.table` by itself. Raises UnusableName."""
    if connections[alias].vendor != "postgresql" or "." not in table:
        return quoted_name(alias, table)
    schema, name = table.split(".", 1)
    return f"{quoted_name(alias, schema)}.{quoted_name(alias, name)}"


def tables(alias: str) -> list[str]:
    """The tables that can be a source, by name. Raises Unreachable."""
    return [table.name for table in relations(alias) if table.is_writable]


def estimated_tables(alias: str) -> list[Table]:
    """The same, with about how many rows each has. Raises Unreachable."""
    found = [table for table in relations(alias) if table.is_writable]
    if connections[alias].vendor != "sqlite":
        return found
    return [
        replace(table, rows=sqlite_estimate(connections[alias], quoted_name(alias, table.name)))
        for table in found[:MOST_ESTIMATED]
    ] + found[MOST_ESTIMATED:]


def find_table(alias: str, name: str) -> Table | None:
    """The table or view of that name, if it is nobody's but the user's. Raises Unreachable."""
    matches = [table for table in relations(alias) if name in spellings(table)]
    return matches[0] if matches else None


def spellings(table: Table) -> set[str]:
    """`public.orders` may be said for `orders`."""
    return {table.name, f"{table.schema}.{table.name}"} if table.schema else {table.name}


def relations(alias: str) -> list[Table]:
    """Tables and views that are not Django's, the database's or ours. Raises Unreachable."""
    connection = connect(alias)
    found = (sqlite_relations if connection.vendor == "sqlite" else postgres_relations)(connection)
    reserved = reserved_tables()
    return [table for table in found if not is_reserved(table.name, reserved) and is_usable(table)]


def is_usable(table: Table) -> bool:
    """Whether its name can be quoted."""
    return not re.search(r'["%\x00-\x1f]', table.name)


def reserved_tables() -> frozenset[str]:
    """Tables of this app and of Django's own apps (the user's apps stay usable)."""
    ours = ("processors", "django_rq")
    return frozenset(
        model._meta.db_table  # noqa: SLF001 - Django's documented name
        for config in apps.get_app_configs()
        if config.label in ours or config.name.startswith("django.")
        for model in config.get_models(include_auto_created=True)
    )


def is_reserved(name: str, reserved: frozenset[str] | None = None) -> bool:
    """Whether a table belongs to Django, to the database or to this app."""
    schema, _, bare = name.lower().rpartition(".")
    prefixes = ("django_", "processors_", "sqlite_", "pg_")
    return (
        schema in ("pg_catalog", "information_schema")
        or bare.startswith(prefixes)
        or bare in (reserved_tables() if reserved is None else reserved)
        or bare in AUTH_TABLES
    )


# Another Django's users in another database: its apps are not in our registry.
AUTH_TABLES = frozenset(
    {
        "auth_user",
        "auth_group",
        "auth_permission",
        "auth_group_permissions",
        "auth_user_groups",
        "auth_user_user_permissions",
    }
)


def columns(alias: str, table: str) -> list[Column]:
    """The columns of a table in their order. Raises Unreachable."""
    connection = connect(alias)
    read = sqlite_columns if connection.vendor == "sqlite" else postgres_columns
    return read(connection, quoted_table(alias, table))


def indexes(alias: str, table: str) -> list[Index]:
    """The table's indexes. Raises Unreachable."""
    connection = connect(alias)
    read = sqlite_indexes if connection.vendor == "sqlite" else postgres_indexes
    return read(connection, quoted_table(alias, table))
