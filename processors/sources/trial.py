"""Trying a table source against its database without leaving a trace.

Entry point: `refusals`. Rights are asked for, the claim and its words are tried: everything that
writes happens in a transaction that is always rolled back.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext as _

from processors.sources.catalogue import ask
from processors.sources.connecting import is_read_only
from processors.sources.introspection import quoted_name, quoted_table
from processors.sources.modes import sample_mark
from processors.sources.rights import missing_rights, row_security_warning
from processors.sources.statements import Statements

LOCK_TIMEOUT = "2s"
STATEMENT_TIMEOUT = "10s"
MESSAGE_CHARACTERS = 300

Source = Mapping[str, Any]
Refusal = tuple[str, str]  # field path, sentence


class Refused(Exception):
    """The database refused, or silently changed, what a claim would write."""

    def __init__(self, path: str, sentence: str) -> None:
        self.path, self.sentence = path, sentence
        super().__init__(sentence)


def refusals(source: dict[str, Any], warnings: list[str]) -> list[Refusal]:
    """Why this database would not let us take and settle rows; adds to `warnings`.

    Lowers mode B to C in `source` where the table does not take a mark.
    """
    connection = connections[source["database"]]
    if is_read_only(connection):
        return [("database", read_only_sentence(source))]
    if connection.vendor == "postgresql":
        denied = missing_rights(connection, source)
        if denied:
            return [("table", denied)]
        warnings.extend(row_security_warning(connection, source))
    try:
        if source["mode"] == "B" and not takes_marks(connection, source):
            source["mode"] = "C"
        if not try_claim(connection, source):
            warnings.append(
                _("No row is '%(new)s' now, so the claim was checked without one.")
                % {"new": source["words"]["new"]}
            )
    except Refused as refused:
        return [(refused.path, refused.sentence)]
    return []


def read_only_sentence(source: Source) -> str:
    """Said of a standby, a read-only file and a read-only setting alike."""
    return _("'%(database)s' is read-only.") % {"database": source["database"]}


def try_claim(connection: BaseDatabaseWrapper, source: Source) -> bool:
    """Take a row and settle it both ways, then roll back; False when there was no row to take.

    Raises Refused with the database's own sentence.
    """
    with transaction.atomic(using=connection.alias):
        try:
            limit_waiting(connection)
            row = pick_one(connection, source)
            if row is None:
                write_nothing(connection, source)
            else:
                walk(connection, source, row)
            return row is not None
        finally:
            transaction.set_rollback(True, using=connection.alias)


def limit_waiting(connection: BaseDatabaseWrapper) -> None:
    """A check must not wait for another's lock; SQLite has its own time limit."""
    if connection.vendor == "postgresql":
        sql = (
            "SELECT set_config('lock_timeout', %s, true), set_config('statement_timeout', %s, true)"
        )
        ask(connection, sql, [LOCK_TIMEOUT, STATEMENT_TIMEOUT])


def pick_one(connection: BaseDatabaseWrapper, source: Source) -> Any | None:
    """The key of the first row that would be taken."""
    statements = Statements(source)
    where, params = statements.waiting()
    sql = (
        f"SELECT {statements.key} FROM {statements.table} WHERE {where}"
        f" ORDER BY {statements.order} LIMIT 1{statements.dialect.skip_locked}"
    )
    path = "filter" if source["filter"] or source["order"] else "table"
    with refusing(path, source):
        rows = ask(connection, sql, params)
    return rows[0][0] if rows else None


def takes_marks(connection: BaseDatabaseWrapper, source: Source) -> bool:
    """Whether a row can be marked: tried on one that is new, else on any.

    Without a row to try, not where the table has rules that may forbid it.
    """
    mark = sample_mark(source["words"]["claimed"])
    with transaction.atomic(using=connection.alias):
        try:
            limit_waiting(connection)
            key, status = pick_one(connection, source), source["words"]["new"]
            if key is None:
                key, status = pick_any(connection, source)
            if key is None:
                return not has_rules(connection, source)
            change(connection, source, key, Step(status, mark, "status"))
        except Refused:
            return False
        finally:
            transaction.set_rollback(True, using=connection.alias)
    return True


def pick_any(connection: BaseDatabaseWrapper, source: Source) -> tuple[Any, Any]:
    """Key and status of some row that nobody holds; None and None without one."""
    s = Statements(source)
    sql = f"SELECT {s.key}, {s.status} FROM {s.table} WHERE {s.status} IS NOT NULL LIMIT 1"
    rows = ask(connection, sql + s.dialect.skip_locked)
    return rows[0] if rows else (None, None)


# Checks on the status column, and triggers on the table.
POSTGRES_RULES = """
SELECT EXISTS (SELECT FROM pg_constraint c
                 JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = ANY(c.conkey)
                WHERE c.conrelid = %s::regclass AND c.contype = 'c' AND a.attname = %s)
    OR EXISTS (SELECT FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
                WHERE a.attrelid = %s::regclass AND a.attname = %s AND t.typtype = 'd')
    OR EXISTS (SELECT FROM pg_trigger WHERE tgrelid = %s::regclass AND NOT tgisinternal)
"""
SQLITE_RULES = """
SELECT EXISTS (SELECT 1 FROM sqlite_master
                WHERE tbl_name = %s AND (type = 'trigger' OR upper(sql) LIKE '%%CHECK%%'))
"""


def has_rules(connection: BaseDatabaseWrapper, source: Source) -> bool:
    """Whether the table may refuse a status for other reasons than its type."""
    if connection.vendor == "sqlite":
        return bool(ask(connection, SQLITE_RULES, [source["table"]])[0][0])
    table = quoted_table(connection.alias, source["table"])
    given = [table, source["status"], table, source["status"], table]
    return bool(ask(connection, POSTGRES_RULES, given)[0][0])


@dataclass(frozen=True)
class Step:
    """One status after another; `path` names the field that a refusal is about."""

    before: str
    after: str
    path: str


def walk(connection: BaseDatabaseWrapper, source: Source, key: Any) -> None:
    """new → in hand → done, and once more → failed; mode C writes nothing for in hand."""
    words, start = source["words"], source["words"]["new"]
    held = {"A": words["claimed"], "C": None}.get(source["mode"], sample_mark(words["claimed"]))
    if held:
        change(connection, source, key, Step(start, held, "words.claimed"))
        start = held
    for end in written_words(source):
        if end == "claimed":
            continue
        saved = transaction.savepoint(using=connection.alias)
        change(connection, source, key, Step(start, words[end], f"words.{end}"))
        transaction.savepoint_rollback(saved, using=connection.alias)


def change(connection: BaseDatabaseWrapper, source: Source, key: Any, step: Step) -> None:
    """One step of the walk, with every deferred check asked for at once."""
    before, after, path = step.before, step.after, step.path
    table = quoted_table(connection.alias, source["table"])
    name, status = (quoted_name(connection.alias, source[part]) for part in ("key", "status"))
    with refusing(path, source), connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET {status} = %s WHERE {name} = %s AND {status} = %s",
            [after, key, before],
        )
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(
            f"SELECT count(*) FROM {table} WHERE {name} = %s AND {status} = %s", [key, after]
        )
        kept = cursor.fetchone()[0]
        cursor.execute(
            f"SELECT count(*) FROM {table} WHERE {name} = %s AND {status} = %s", [key, before]
        )
        stuck = cursor.fetchone()[0]
    if kept != 1 or stuck:
        raise Refused(
            path,
            _(
                "After '%(before)s' was changed to '%(after)s' the row doesn't read "
                "'%(after)s' alone: a trigger changes it, or the column takes the two words "
                "for the same."
            )
            % {"before": before, "after": after},
        )


def write_nothing(connection: BaseDatabaseWrapper, source: Source) -> None:
    """Have the database judge the words and our rights where there is no row to try."""
    table = quoted_table(connection.alias, source["table"])
    status = quoted_name(connection.alias, source["status"])
    for name in written_words(source):
        with refusing(f"words.{name}", source), connection.cursor() as cursor:
            cursor.execute(f"UPDATE {table} SET {status} = %s WHERE 1 = 0", [source["words"][name]])


def written_words(source: Source) -> tuple[str, ...]:
    """The words we ever write; only mode A writes the one for a row in hand as it stands."""
    given = [name for name in source["words"] if name not in ("new", "claimed")]
    return ("claimed", *given) if source["mode"] == "A" else tuple(given)


class refusing:  # noqa: N801 - reads as a verb
    """Turns a database error into Refused with its own sentence, scrubbed."""

    def __init__(self, path: str, source: Source) -> None:
        self.path, self.source = path, source

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, DatabaseError):
            return
        said = scrubbed(error)
        if "readonly database" in said:
            raise Refused("database", read_only_sentence(self.source)) from error
        raise Refused(
            self.path, _("The database refuses this: %(said)s") % {"said": said}
        ) from error


def scrubbed(error: BaseException) -> str:
    """The database's main sentence: no detail (it quotes rows), no context, no address."""
    diagnosis = getattr(error.__cause__, "diag", None)
    text = str(getattr(diagnosis, "message_primary", None) or error)
    text = re.sub(r"\w+://\S+|\b(password|host|user)=\S+", "…", " ".join(text.split()))
    return text[:MESSAGE_CHARACTERS]
