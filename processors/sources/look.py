"""One look at a table source: what is asked, what the table has, and what was found."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db import connections
from django.utils.translation import gettext as _

from processors.sources.catalogue import Column
from processors.sources.introspection import quoted_name
from processors.sources.wording import meant, shown

POSTGRES_NAME_BYTES = 63  # longer names are cut by Postgres itself


@dataclass
class Inspection:
    """What was found: problems by field path, warnings, and the completed definition.

    `normal` holds every public field with its default, and `mode` (A, B or C; see
    `modes`), `key_type` (integer, text, uuid), `status_type` (text, integer, enum). It is
    complete only where there are no problems.
    """

    problems: dict[str, list[str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    normal: dict[str, Any] = field(default_factory=dict)

    def refuse(self, path: str, sentence: str) -> None:
        """Note a problem."""
        self.problems.setdefault(path, []).append(sentence)


class Look:
    """A source being judged; `columns` by name once the table is known."""

    def __init__(self, source: Mapping[str, Any]) -> None:
        self.source = source
        self.found = Inspection()
        self.columns: dict[str, Column] = {}

    @property
    def alias(self) -> str:
        """The database's alias."""
        return str(self.found.normal["database"])

    @property
    def table(self) -> str:
        """The table as introspection spells it."""
        return str(self.found.normal["table"])

    def too_long(self, name: str) -> str:
        """Postgres cuts a longer name silently, so it can never be found by it."""
        is_postgres = connections[self.alias].vendor == "postgresql"
        size = max(len(part.encode()) for part in name.split("."))
        if not is_postgres or size <= POSTGRES_NAME_BYTES:
            return ""
        return _("A name has at most %(longest)s bytes in PostgreSQL (this has %(size)s).") % {
            "longest": POSTGRES_NAME_BYTES,
            "size": size,
        }

    def column(self, path: str, name: object) -> Column | None:
        """The column of that name; notes it when there is none."""
        if not isinstance(name, str) or not name:
            self.found.refuse(path, _("Choose a column."))
            return None
        column = self.columns.get(name)
        if column is None:
            sentence = _("Column '%(shown)s' isn't in table '%(table)s'") % {
                "shown": shown(name),
                "table": self.table,
            }
            sentence += meant(name, self.columns)
            self.found.refuse(path, self.too_long(name) or sentence)
            return None
        try:
            quoted_name(self.alias, name)
        except ValueError as error:
            self.found.refuse(path, str(error))
            return None
        return column
