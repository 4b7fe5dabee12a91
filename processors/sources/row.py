"""One row of a user's table, found by its key alone: its status, and what that word means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from processors.sources.base import SourceTrouble
from processors.sources.connecting import connect
from processors.sources.introspection import columns, indexes
from processors.sources.statements import Statements
from processors.sources.values import InvalidValue, fit

LEFT_OUT = "left out"  # it has the word for new, and the filter does not hold


@dataclass(frozen=True)
class Row:
    """`meaning`: the name of its word in the definition, LEFT_OUT, or empty for any other word."""

    status: str
    meaning: str


def find_row(source: Mapping[str, Any], key: str) -> Row | None:
    """None where there is no such row, or no index that leads to it: a table is never scanned.

    Raises Unreachable, UnusableName, SourceTrouble, DatabaseError.
    """
    connect(source["database"])
    with transaction.atomic(using=source["database"]):
        value = key_value(source, key)
        return None if value is None else read_row(source, value)


def key_value(source: Mapping[str, Any], key: str) -> Any:
    """What to look for in the key's column; None where it holds no such value, or has no index."""
    alias, table, name = source["database"], source["table"], source["key"]
    column = next((one for one in columns(alias, table) if one.name == name), None)
    if column is None:
        raise SourceTrouble(_("It has no column %(name)s any more.") % {"name": name})
    try:
        value = fit(key, column)
    except InvalidValue:
        return None
    leads = column.unique or any(
        index.first_column == name and not index.condition for index in indexes(alias, table)
    )
    return value if leads else None


def read_row(source: Mapping[str, Any], value: Any) -> Row | None:
    """The row with this value in its key."""
    statements = Statements(source)
    by_key = f"{statements.key} = %s"
    sql = f"SELECT {statements.status} FROM {statements.table} WHERE {by_key}"
    found = statements.dialect.fetch(sql, [value])
    if not found:
        return None
    status = "" if found[0][0] is None else str(found[0][0]).rstrip()
    meaning = meaning_of(status, source)
    if meaning == "new":
        where, params = statements.waiting()
        sql = f"SELECT 1 FROM {statements.table} WHERE {by_key} AND {where}"
        meaning = "new" if statements.dialect.fetch(sql, [value, *params]) else LEFT_OUT
    return Row(status, meaning)


def meaning_of(status: str, source: Mapping[str, Any]) -> str:
    """Which of the definition's words it is; a mark of mode B is the word that it begins with."""
    words = {name: str(word) for name, word in source["words"].items() if word is not None}
    if source.get("mode") == "B" and status.startswith(f"{words['claimed']}:"):
        return "claimed"
    return next((name for name, word in words.items() if word.rstrip() == status), "")
