"""Tables, columns and indexes as Postgres lists them in pg_catalog."""

from django.db.backends.base.base import BaseDatabaseWrapper

from processors.sources.catalogue import Column, Index, Kind, Relation, Table, ask, bit_range

# Tables and views of every schema that is not the database's own; the kind as one letter.
POSTGRES_RELATIONS = """
SELECT n.nspname, c.relname, c.relkind, n.nspname = current_schema(), c.reltuples::bigint
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
  AND n.nspname NOT LIKE 'pg\\_%%' AND n.nspname <> 'information_schema'
  AND has_schema_privilege(n.oid, 'USAGE')
ORDER BY n.nspname <> current_schema(), n.nspname, c.relname
"""

RELKINDS: dict[str, Relation] = {
    "r": "table",
    "p": "partitioned",
    "v": "view",
    "m": "materialised view",
    "f": "foreign table",
}


def postgres_relations(connection: BaseDatabaseWrapper) -> list[Table]:
    """A name with a dot in it is always given with its schema, so that splitting is certain."""
    return [
        Table(
            name=name if is_current and "." not in name else f"{schema}.{name}",
            relation=RELKINDS[kind],
            schema=schema if is_current and "." not in name else "",
            rows=rows if rows >= 0 else None,
        )
        for schema, name, kind, is_current, rows in ask(connection, POSTGRES_RELATIONS)
        if "." not in schema
    ]


# One row per column; a domain is looked through to the type it is made of.
POSTGRES_COLUMNS = """
SELECT a.attname, format_type(t.oid, coalesce(nullif(a.atttypmod, -1), d.typtypmod)),
       t.typname, t.typtype, a.attnotnull OR d.typnotnull,
       a.attgenerated <> '' OR a.attidentity = 'a',
       CASE WHEN t.typname IN ('varchar', 'bpchar')
            THEN nullif(coalesce(nullif(a.atttypmod, -1), d.typtypmod), -1) - 4 END,
       ARRAY(SELECT enumlabel::text FROM pg_enum WHERE enumtypid = t.oid ORDER BY enumsortorder),
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique
               AND i.indisvalid AND i.indnkeyatts = 1 AND i.indkey[0] = a.attnum
               AND i.indpred IS NULL)
FROM pg_attribute a
JOIN pg_type d ON d.oid = a.atttypid
JOIN pg_type t ON t.oid = CASE d.typtype WHEN 'd' THEN d.typbasetype ELSE d.oid END
WHERE a.attrelid = %s::regclass AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
"""

POSTGRES_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("varchar", "bpchar", "text", "citext", "name"), "text"),
    **dict.fromkeys(("int2", "int4", "int8"), "integer"),
    **dict.fromkeys(("float4", "float8", "numeric"), "number"),
    **dict.fromkeys(("timestamp", "timestamptz", "date", "time"), "time"),
    **dict.fromkeys(("json", "jsonb"), "json"),
    "uuid": "uuid",
    "bool": "boolean",
}
INTEGER_BITS = {"int2": 16, "int4": 32, "int8": 64}


def postgres_columns(connection: BaseDatabaseWrapper, table: str) -> list[Column]:
    """What the catalogue says of a quoted table."""
    found = ask(connection, POSTGRES_COLUMNS, [table])
    return [
        Column(
            name=name,
            type=described,
            kind="enum" if category == "e" else POSTGRES_KINDS.get(kind, "other"),
            nullable=not filled,
            generated=generated,
            length=length,
            values=tuple(values),
            range=bit_range(INTEGER_BITS[kind]) if kind in INTEGER_BITS else None,
            unique=unique,
            padded=kind == "bpchar",
        )
        for name, described, kind, category, filled, generated, length, values, unique in found
    ]


# The first column and the condition of each valid index.
POSTGRES_INDEXES = """
SELECT coalesce(a.attname, ''), coalesce(pg_get_expr(i.indpred, i.indrelid), '')
FROM pg_index i
LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
WHERE i.indrelid = %s::regclass AND i.indisvalid
"""


def postgres_indexes(connection: BaseDatabaseWrapper, table: str) -> list[Index]:
    """The valid indexes of a quoted table."""
    return [Index(*row) for row in ask(connection, POSTGRES_INDEXES, [table])]
