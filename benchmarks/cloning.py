"""Millions of rows of the product's tables, copied from one that the product itself has written.

Whatever columns the tables have: only what must differ is named here.
"""

from collections.abc import Mapping

from benchmarks.databases import Database

COLUMNS = """
SELECT column_name FROM information_schema.columns
 WHERE table_schema = current_schema() AND table_name = %s AND column_name <> 'id'
   AND is_generated = 'NEVER'
 ORDER BY ordinal_position
"""


def clone(
    database: Database,
    table: str,
    source: str,
    values: Mapping[str, str],
    params: Mapping[str, object],
) -> None:
    """Insert a copy of the table's oldest row for each row of `source` (Postgres).

    `values`: column → SQL, in which `one` is the copied row and `source` is what it calls itself.
    """
    columns = [str(name) for (name,) in database.run(COLUMNS, [table])]
    chosen = ", ".join(values.get(name, f"one.{name}") for name in columns)
    database.connection.cursor().execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {chosen} "
        f"FROM (SELECT * FROM {table} ORDER BY id LIMIT 1) AS one, {source}",
        params,
    )
