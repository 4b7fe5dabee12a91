"""Whether the words of a table source fit what the database says of the table.

Entry point: `judge`. It reads only; `inspection` adds the test claim.
"""

from collections.abc import Mapping
from typing import Any

from django.db import DatabaseError, connections, transaction
from django.utils.translation import gettext as _

from processors.sources.catalogue import Column, ask
from processors.sources.connecting import Unreachable, connect, connect_sentence
from processors.sources.introspection import (
    aliases,
    columns,
    find_table,
    is_reserved,
    quoted_name,
    quoted_table,
    tables,
)
from processors.sources.look import Inspection, Look
from processors.sources.modes import mode_by_catalogue
from processors.sources.selection import judge_filter, judge_order, judge_outputs, judge_payload
from processors.sources.values import InvalidValue, fit
from processors.sources.wording import close, meant, shown
from processors.wording import number

WORDS = ("new", "claimed", "done", "failed")
OPTIONAL_WORDS = ("skipped",)  # left out, a skipped row is done
DEFAULT_WORDS = {"new": "NEW", "claimed": "TAKEN", "done": "DONE", "failed": "ERROR"}
FIELDS = (
    "kind",
    "database",
    "table",
    "key",
    "status",
    "words",
    "payload",
    "result",
    "error",
    "filter",
    "order",
)
DERIVED = ("mode", "key_type", "status_type")
COUNT_LIMIT_ROWS = 100_000
NOT_ALLOWED = "42501"  # Postgres: insufficient_privilege


def table_problem(alias: str, name: str) -> str:
    """Why this table can't be a source, or an empty text. Raises Unreachable, DatabaseError."""
    look = Judgement({})
    look.found.normal["database"] = alias
    return look.table_problem(name)


class Judgement(Look):
    """One look at one source; each method judges a field and notes what is wrong with it."""

    def run(self) -> Inspection:
        """Judge field by field; without a table the rest can't be judged."""
        self.judge_fields()
        try:
            if self.judge_database() and self.judge_table():
                self.judge_columns()
        except Unreachable as error:
            self.found.refuse("database", str(error))
        except DatabaseError as error:
            self.found.refuse("database", connect_sentence(self.alias, error))
        return self.found

    def judge_fields(self) -> None:
        """No field that we don't know."""
        for name in self.source:
            if name not in FIELDS + DERIVED:
                self.found.refuse(str(name), f"Unknown field '{shown(name)}'{meant(name, FIELDS)}")
        self.found.normal["kind"] = "table"

    def judge_database(self) -> bool:
        """A configured alias that answers."""
        alias = self.source.get("database", "default")
        if not isinstance(alias, str) or alias not in aliases():
            self.found.refuse(
                "database",
                _("Unknown database '%(shown)s'. Configured: %(known)s.")
                % {"shown": shown(alias), "known": ", ".join(aliases())},
            )
            return False
        # Until the status column is known; see judge_words.
        self.found.normal |= {"database": alias, "mode": "A" if alias == "default" else "C"}
        connect(alias)
        return True

    def judge_table(self) -> bool:
        """A table of the user's that can be updated."""
        name = self.source.get("table")
        sentence = self.table_problem(name)
        if sentence:
            self.found.refuse("table", sentence)
            return False
        self.found.normal["table"] = getattr(find_table(self.alias, str(name)), "name", name)
        self.columns = {column.name: column for column in columns(self.alias, self.table)}
        return True

    def table_problem(self, name: object) -> str:
        """What is wrong with the table, or an empty text."""
        if not isinstance(name, str) or not name:
            return _("Choose a table.")
        if is_reserved(name):
            return _("Tables of Django, Postgres and of this app can't be sources.")
        found = find_table(self.alias, name)
        if found is None:
            return self.too_long(name) or self.unknown_table(name)
        if not found.is_writable:
            return _(
                "A source must be a table that can be updated. '%(name)s' is a %(relation)s."
            ) % {"name": name, "relation": found.relation}
        return ""

    def unknown_table(self, name: str) -> str:
        """Names the tables that were probably meant."""
        known = tables(self.alias)
        similar = close(name, known, 3)
        hint = f" Similar: {', '.join(similar)}." if similar else ""
        return _("Table '%(shown)s' isn't in database '%(alias)s'.%(hint)s") % {
            "shown": shown(name),
            "alias": self.alias,
            "hint": hint,
        }

    def judge_columns(self) -> None:
        """Every field that names a column, and the values for them."""
        self.judge_key()
        status = self.judge_status()
        self.judge_words(status)
        judge_outputs(self)
        judge_payload(self)
        judge_filter(self)
        judge_order(self)

    def judge_key(self) -> None:
        """One unique, filled column of a type that can be written down exactly."""
        name = self.source.get("key")
        if isinstance(name, list | tuple):
            return self.found.refuse("key", _("Choose one column of text, whole number or UUID."))
        column = self.column("key", name)
        if column is None:
            return None
        self.found.normal["key"] = column.name
        if column.kind not in ("text", "integer", "uuid"):
            return self.found.refuse(
                "key",
                _("Choose one column of text, whole number or UUID. '%(name)s' is %(type)s.")
                % {"name": column.name, "type": column.type},
            )
        self.found.normal["key_type"] = column.kind
        if column.name == self.source.get("status"):
            return self.found.refuse("key", _("Key and status must be different columns."))
        return self.judge_uniqueness(column)

    def judge_uniqueness(self, column: Column) -> None:
        """Counted where the database itself does not see to it."""
        if column.unique and not column.nullable:
            return
        duplicates, empty = self.count_bad_keys(column)
        if duplicates or empty:
            counts = [(duplicates, "duplicate"), (empty, "empty")]
            said = " and ".join(f"{number(count)} {word}" for count, word in counts if count)
            values = "value" if duplicates + empty == 1 else "values"
            self.found.refuse(
                "key",
                _("Column '%(name)s' has %(said)s %(values)s; a key must be unique and filled.")
                % {"name": column.name, "said": said, "values": values},
            )
        elif not column.unique:
            self.found.warnings.append(
                _("Nothing in the database keeps '%(name)s' unique; add a unique index.")
                % {"name": column.name}
            )

    def count_bad_keys(self, column: Column) -> tuple[int, int]:
        """How many values repeat another and how many are empty, in the first rows."""
        name, table = quoted_name(self.alias, column.name), quoted_table(self.alias, self.table)
        filled = f"nullif({name}, '')" if column.kind == "text" else name
        sql = f"""
        SELECT count(k) - count(DISTINCT k), count(*) - count(k)
        FROM (SELECT {filled} AS k FROM {table} LIMIT %s) AS first_rows
        """
        try:
            with transaction.atomic(using=self.alias):
                duplicates, empty = ask(connections[self.alias], sql, [COUNT_LIMIT_ROWS])[0]
        except DatabaseError as error:
            if getattr(error.__cause__, "pgcode", None) != NOT_ALLOWED:
                raise
            return 0, 0  # the trial says who may not read what
        return duplicates, empty

    def judge_status(self) -> Column | None:
        """A column that can be written and holds words or whole numbers."""
        column = self.column("status", self.source.get("status"))
        if column is None:
            return None
        self.found.normal["status"] = column.name
        if column.generated:
            sentence = _("Column '%(name)s' is generated by the database and can't be written.") % {
                "name": column.name
            }
        elif column.kind not in ("text", "integer", "enum"):
            sentence = _(
                "Column '%(name)s' is %(type)s; a status is text, a whole number or an enum."
            ) % {"name": column.name, "type": column.type}
        else:
            self.found.normal["status_type"] = column.kind
            return column
        self.found.refuse("status", sentence)
        return None

    def judge_words(self, status: Column | None) -> None:
        """Four different values that the status column can hold."""
        given = self.source.get("words", {})
        if not isinstance(given, Mapping):
            return self.found.refuse(
                "words", _("Give the words for new, claimed, done and failed.")
            )
        for name in given:
            if name not in WORDS + OPTIONAL_WORDS:
                sentence = f"Unknown word '{shown(name)}'{meant(name, WORDS + OPTIONAL_WORDS)}"
                self.found.refuse(f"words.{shown(name)}", sentence)
        if status is None:
            return None
        default = DEFAULT_WORDS["claimed"]
        self.found.normal["mode"] = mode_by_catalogue(self.source, status, default)
        words = {name: self.judge_word(name, given, status) for name in WORDS}
        self.judge_difference(words)
        if given.get("skipped") is not None:  # may be the same as done or failed
            words["skipped"] = self.judge_word("skipped", given, status)
            self.judge_difference({name: words[name] for name in ("new", "claimed", "skipped")})
        self.found.normal["words"] = words
        return None

    def judge_word(self, name: str, given: Mapping[str, Any], status: Column) -> str | None:
        """The value for one state as text; mode C never writes `claimed`: it may be left out."""
        is_needless = name == "claimed" and self.found.normal["mode"] == "C"
        has_default = status.kind == "text" and not is_needless
        default = DEFAULT_WORDS.get(name) if has_default else None
        value = given.get(name, default)
        if value in (None, "") and is_needless:
            return None
        if value is None or not str(value).strip():
            self.found.refuse(f"words.{name}", _("Give the word for '%(name)s'.") % {"name": name})
            return None
        try:
            return str(fit(value, status))
        except InvalidValue as error:
            self.found.refuse(f"words.{name}", str(error))
            return None

    def judge_difference(self, words: Mapping[str, Any]) -> None:
        """A row must show by its word alone what became of it; CHAR(n) ignores trailing blanks."""
        seen: dict[str, str] = {}
        for name, value in words.items():
            if value is None:
                continue
            first = seen.setdefault(str(value).rstrip(), name)
            if first != name:
                self.found.refuse(
                    f"words.{name}",
                    _("'%(shown)s' is the word for '%(first)s' already; each needs its own.")
                    % {"shown": shown(value), "first": first},
                )


def judge(source: Mapping[str, Any]) -> Inspection:
    """What is wrong with a table source, by reading only."""
    return Judgement(source).run()
