"""What introspection speaks of: tables, columns, indexes, and how a database is asked."""

from dataclasses import dataclass
from typing import Any, Literal, cast

from django.db.backends.base.base import BaseDatabaseWrapper

Kind = Literal["text", "integer", "uuid", "enum", "number", "boolean", "time", "json", "other"]
Relation = Literal["table", "partitioned", "view", "materialised view", "foreign table"]


@dataclass(frozen=True)
class Table:
    """A table or view as the database lists it; `name` is how a definition spells it.

    `rows`: about how many, without counting; None where the database does not know.
    """

    name: str
    relation: Relation
    schema: str = ""
    rows: int | None = None

    @property
    def is_writable(self) -> bool:
        """Whether rows are stored here, so that a status can be changed."""
        return self.relation in ("table", "partitioned")


@dataclass(frozen=True)
class Column:
    """One column. `type`: the database's own words. `length`: in characters, None = no limit.

    `values`: the labels of an enum. `range`: smallest and largest whole number it can hold.
    `unique`: the database itself keeps this column alone unique.
    """

    name: str
    type: str
    kind: Kind
    nullable: bool = True
    length: int | None = None
    values: tuple[str, ...] = ()
    range: tuple[int, int] | None = None
    generated: bool = False
    unique: bool = False
    padded: bool = False


@dataclass(frozen=True)
class Index:
    """What an index serves: its first column, or the text of its condition."""

    first_column: str
    condition: str


def ask(connection: BaseDatabaseWrapper, sql: str, params: list[Any] | None = None) -> list[Any]:
    """All rows of a question; every `%` of `sql` is a placeholder."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params or [])
        return cast("list[Any]", cursor.fetchall())


def bit_range(bits: int) -> tuple[int, int]:
    """The whole numbers of that many bits."""
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
