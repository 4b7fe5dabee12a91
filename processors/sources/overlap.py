"""Whether two table sources may take the same rows: refused when a definition is saved.

Entry point: `may_share_rows`. It errs on the side of yes. What it looks at: the physical table,
whatever alias leads to it, with its partitions and heirs; the status column; the words; and
filters that exclude each other for every row.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from django.db import DatabaseError, connections

from processors.sources.catalogue import ask
from processors.sources.connecting import Unreachable, connect
from processors.sources.introspection import aliases, quoted_table

Source = Mapping[str, Any]

# Which server and which of its databases this is, whatever address led to it.
POSTGRES_IDENTITY = """
SELECT extract(epoch FROM pg_postmaster_start_time()), current_setting('port'), current_database()
"""

# A table with those it is a part of, and those that are parts of it.
POSTGRES_RELATIVES = """
WITH RECURSIVE
up AS (SELECT to_regclass(%s)::oid AS id
        UNION SELECT inhparent FROM pg_inherits JOIN up ON inhrelid = up.id),
down AS (SELECT to_regclass(%s)::oid AS id
          UNION SELECT inhrelid FROM pg_inherits JOIN down ON inhparent = down.id)
SELECT id FROM up UNION SELECT id FROM down
"""


def may_share_rows(ours: Source, theirs: Source) -> bool:
    """Whether a row may exist that both would take, now or while one has it in hand."""
    if ours.get("kind") != "table" or theirs.get("kind") != "table":
        return False
    if same(ours["status"], theirs.get("status")) and words_meet(ours, theirs):
        return is_same_table(ours, theirs) and not filters_exclude(ours, theirs)
    return False


def same(one: object, other: object) -> bool:
    """Whether two names or words may be the same to a database: case and blanks may not count."""
    return str(one).strip().casefold() == str(other).strip().casefold()


def words_meet(ours: Source, theirs: Source) -> bool:
    """Whether one takes what is new for the other, or what the other has in hand."""
    mine, other = ours["words"], theirs.get("words") or {}
    pairs = [("new", "new"), ("new", "claimed"), ("claimed", "new")]
    return any(
        mine.get(a) is not None and other.get(b) is not None and same(mine[a], other[b])
        for a, b in pairs
    )


# The table


def is_same_table(ours: Source, theirs: Source) -> bool:
    """Whether two definitions name one table, or one that is a part of the other."""
    mine, other = ours["database"], theirs.get("database", "default")
    if mine != other and not is_same_database(mine, other):
        return False
    if connections[mine].vendor != "postgresql":
        return same(ours["table"], theirs["table"])
    table = quoted_table(mine, ours["table"])
    known = {row[0] for row in ask(connections[mine], POSTGRES_RELATIVES, [table, table])}
    try:
        name = quoted_table(other, theirs["table"])
        found = ask(connect(other), "SELECT to_regclass(%s)::oid", [name])[0][0]
    except (Unreachable, DatabaseError, ValueError):
        return same(ours["table"], theirs["table"])
    return found in known if found is not None else False


def is_same_database(one: str, other: str) -> bool:
    """Whether two aliases lead to one database; by their settings where one does not answer."""
    if other not in aliases() or connections[one].vendor != connections[other].vendor:
        return False
    by_vendor: dict[str, Callable[[str], Any]] = {
        "postgresql": lambda alias: ask(connect(alias), POSTGRES_IDENTITY)[0],
        "sqlite": file_identity,
    }
    identify = by_vendor.get(connections[one].vendor, settings_identity)
    try:
        return bool(identify(one) == identify(other))
    except (Unreachable, DatabaseError, OSError):
        return settings_identity(one) == settings_identity(other)


def file_identity(alias: str) -> tuple[int, int]:
    """An SQLite file, by whatever path or link. Raises OSError."""
    found = Path(str(connections[alias].settings_dict["NAME"])).stat()
    return found.st_dev, found.st_ino


def settings_identity(alias: str) -> tuple[str, ...]:
    """Server, port and name as they are configured."""
    known = connections[alias].settings_dict
    return tuple(str(known.get(part) or "").casefold() for part in ("HOST", "PORT", "NAME"))


# Filters


def filters_exclude(ours: Source, theirs: Source) -> bool:
    """Whether no row can pass both filters.

    Not counted in mode C: there a row in hand is new for everybody, and need only be changed by
    its owner to pass the other's filter as well.
    """
    if "C" in (ours.get("mode"), theirs.get("mode")):
        return False
    return any(
        mine[0] == other[0] and contradict(mine[1:], other[1:])
        for mine in ours.get("filter") or []
        for other in theirs.get("filter") or []
    )


def contradict(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """Whether two conditions on a column, as (operator, value), never hold at once."""
    return excludes(one, other) or excludes(other, one)


def excludes(one: Sequence[Any], other: Sequence[Any]) -> bool:
    """The same, asked from one side."""
    (operator, value), (against, limit) = (tuple(each) for each in (one, other))
    if operator == "is null":
        return bool(against != "is null")  # nothing but `is null` holds for null
    if operator in ("=", "in"):
        values = value if operator == "in" else [value]
        return all(is_outside(each, against, limit) for each in values)
    opposite = {"<": (">", ">="), "<=": (">",)}.get(operator, ())
    if against in opposite or (operator == "<=" and against == ">="):
        return are_apart(value, limit, may_touch=against in opposite)
    return False


def is_outside(value: Any, operator: str, limit: Any) -> bool:
    """Whether a value certainly does not fulfil a condition."""
    if operator == "=":
        return differ(value, limit)
    if operator == "in":
        return all(differ(value, each) for each in limit)
    if operator == "!=":
        return bool(type(value) is type(limit) and value == limit)
    a, b = as_number(value), as_number(limit)
    if a is None or b is None:
        return False
    beyond = {"<": a >= b, "<=": a > b, ">": a <= b, ">=": a < b}
    return beyond.get(operator, False)


def differ(one: Any, other: Any) -> bool:
    """Whether two values are certainly different in any collation."""
    a, b = as_number(one), as_number(other)
    if a is not None and b is not None:
        return a != b
    return not same(one, other)


def are_apart(upper: Any, lower: Any, *, may_touch: bool) -> bool:
    """Whether nothing lies under `upper` and over `lower`."""
    if type(upper) is type(lower) and upper == lower:
        return may_touch  # the same literal, whatever the order of its type
    a, b = as_number(upper), as_number(lower)
    return a is not None and b is not None and a < b


def as_number(value: Any) -> Decimal | None:
    """A number, None for what is none: text that looks like one is compared as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return None
