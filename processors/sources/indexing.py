"""Whether an index leads to the rows that are new, and which one to add."""

import re
from collections.abc import Mapping
from typing import Any

from django.db import connections
from django.utils.translation import gettext as _

from processors.sources.catalogue import ask
from processors.sources.introspection import indexes, quoted_name, quoted_table

SCAN_WARNING_ROWS = 10_000


def index_warning(source: Mapping[str, Any]) -> list[str]:
    """Said of a table with many rows where no index leads to those that are new."""
    alias, table = source["database"], source["table"]
    if not has_more_rows(source, SCAN_WARNING_ROWS) or serves_status(source):
        return []
    bare = re.sub(r"\W+", "_", table)
    wanted = ", ".join(quoted_name(alias, name) for name in (source["status"], source["key"]))
    return [
        (
            _(
                'Claiming will scan the table; add: CREATE INDEX "%(bare)s_status" ON '
                "%(table)s (%(wanted)s);"
            )
            % {"bare": bare, "table": quoted_table(alias, table), "wanted": wanted}
        )
    ]


def serves_status(source: Mapping[str, Any]) -> bool:
    """Whether an index begins with the status or has a condition on it."""
    status = source["status"]
    return any(
        index.first_column == status or status in index.condition
        for index in indexes(source["database"], source["table"])
    )


def has_more_rows(source: Mapping[str, Any], limit: int) -> bool:
    """Whether the table has more rows than that; reads no more of it."""
    table = quoted_table(source["database"], source["table"])
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT %s) AS first_rows"
    return bool(ask(connections[source["database"]], sql, [limit + 1])[0][0] > limit)
