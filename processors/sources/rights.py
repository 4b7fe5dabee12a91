"""What our database user may do with a table: asked of Postgres's catalogue, without trying."""

from collections.abc import Mapping
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext as _

from processors.sources.catalogue import ask
from processors.sources.introspection import quoted_table


def missing_rights(connection: BaseDatabaseWrapper, source: Mapping[str, Any]) -> str:
    """Which right our database user lacks, or an empty text."""
    table = quoted_table(connection.alias, source["table"])
    reading = {source["key"], source["status"], *source["payload"], *filter_columns(source)}
    writing = {source["status"], source["result"], source["error"]} - {None}
    where = f"{source['database']}.{source['table']}"
    user = ask(connection, "SELECT current_user")[0][0]
    if not has_right(connection, table, reading, "SELECT"):
        return _("User %(user)s may not read %(where)s.") % {"user": user, "where": where}
    if not has_right(connection, table, writing, "UPDATE"):
        return _("User %(user)s may read but not update %(where)s.") % {
            "user": user,
            "where": where,
        }
    return ""


def filter_columns(source: Mapping[str, Any]) -> list[str]:
    """The columns of filter and order."""
    ordered = [name.removeprefix("-") for name in source["order"] or []]
    return [column for column, _, _ in source["filter"]] + ordered


def has_right(connection: BaseDatabaseWrapper, table: str, names: set[Any], right: str) -> bool:
    """Whether our user has a right on each of the columns."""
    sql = """
    SELECT bool_and(has_column_privilege(%s::regclass, name, %s)) FROM unnest(%s::text[]) AS name
    """
    return bool(ask(connection, sql, [table, right, sorted(names)])[0][0])


def row_security_warning(connection: BaseDatabaseWrapper, source: Mapping[str, Any]) -> list[str]:
    """Rows that a policy hides are neither taken nor counted."""
    table = quoted_table(connection.alias, source["table"])
    if not ask(connection, "SELECT row_security_active(%s::regclass)", [table])[0][0]:
        return []
    return [
        (
            _(
                "Row-level security is on for '%(table)s': rows that its policies hide from "
                "our user are never taken."
            )
            % {"table": source["table"]}
        )
    ]
