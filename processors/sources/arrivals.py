"""Put records that were found fit into the inbox of one processor: what is new to it."""

import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import IntegrityError, transaction

from processors.sources.dialect import Dialect


class Prepared(NamedTuple):
    """A record found fit to be stored; `payload` is JSON text."""

    target: str
    key: str
    payload: str
    priority: int = 0
    available_at: datetime | None = None
    expires_at: datetime | None = None


# Store new keys; those that exist are left alone.
INSERT_POSTGRES = """
INSERT INTO processors_record
       (processor_id, key, visit, state, payload, priority, available_at, expires_at, attempts,
        crashes, alone, maybe_seen, synced, last_error, created_at)
SELECT %s, given.key, 1, 'ready', given.payload::jsonb, given.priority,
       coalesce(given.available_at, %s), given.expires_at, 0, 0, FALSE, FALSE, TRUE, '', %s
  FROM (SELECT unnest(%s::text[]) AS key, unnest(%s::text[]) AS payload,
               unnest(%s::smallint[]) AS priority,
               unnest(%s::timestamptz[]) AS available_at,
               unnest(%s::timestamptz[]) AS expires_at) AS given
    ON CONFLICT (processor_id, key) DO NOTHING
"""
INSERT_SQLITE = """
INSERT INTO processors_record
       (processor_id, key, visit, state, payload, priority, available_at, expires_at, attempts,
        crashes, alone, maybe_seen, synced, last_error, created_at)
VALUES (%s, %s, 1, 'ready', %s, %s, %s, %s, 0, 0, FALSE, FALSE, TRUE, '', %s)
    ON CONFLICT (processor_id, key) DO NOTHING
"""
# The same at half the cost, for many of which none is known yet.
COPY = """
COPY processors_record
     (processor_id, visit, state, attempts, crashes, alone, maybe_seen, synced, last_error,
      created_at, available_at, expires_at, priority, key, payload)
FROM STDIN
"""
COPY_FROM = 200  # records: for fewer, the savepoint costs more than it saves


def store(processor_id: int, chunk: Sequence[Prepared], now: datetime) -> int:
    """How many were new. In a transaction."""
    dialect = Dialect("default")
    if not dialect.is_postgres:
        return insert_on_sqlite(dialect, processor_id, chunk, now)
    if len(chunk) >= COPY_FROM and copied(dialect, processor_id, chunk, now):
        return len(chunk)
    return insert_on_postgres(dialect, processor_id, chunk, now)


def insert_on_postgres(
    dialect: Dialect, processor_id: int, chunk: Sequence[Prepared], now: datetime
) -> int:
    """How many were new, one statement for all."""
    return dialect.run(INSERT_POSTGRES, [processor_id, now, now, *columns_of(chunk)])


def columns_of(chunk: Sequence[Prepared]) -> list[list[Any]]:
    """The records as INSERT_POSTGRES takes them: a list for each column."""
    return [
        [item.key for item in chunk],
        [item.payload for item in chunk],
        [item.priority for item in chunk],
        [item.available_at for item in chunk],
        [item.expires_at for item in chunk],
    ]


def insert_on_sqlite(
    dialect: Dialect, processor_id: int, chunk: Sequence[Prepared], now: datetime
) -> int:
    """How many were new, one prepared statement for all."""
    moment = dialect.moment
    rows = [
        (
            processor_id,
            item.key,
            item.payload,
            item.priority,
            moment(item.available_at or now),
            moment(item.expires_at) if item.expires_at else None,
            moment(now),
        )
        for item in chunk
    ]
    with dialect.connection.cursor() as cursor:
        cursor.executemany(INSERT_SQLITE, rows)
        return int(cursor.rowcount)


def copied(dialect: Dialect, processor_id: int, chunk: Sequence[Prepared], now: datetime) -> bool:
    """Whether all were new and are stored; nothing is where one of them was known."""
    text = "".join(copy_lines(processor_id, chunk, now))
    try:
        # Of all that a cursor does, Django gives only `execute` its own errors.
        with (
            transaction.atomic(),
            dialect.connection.cursor() as cursor,
            dialect.connection.wrap_database_errors,
        ):
            data = text.encode()
            # In one piece: for every small one, the thread that reads ahead would have to be
            # asked for the interpreter.
            cursor.copy_expert(COPY, io.BytesIO(data), size=len(data))
    except IntegrityError:
        return False
    return True


def copy_lines(processor_id: int, chunk: Sequence[Prepared], now: datetime) -> list[str]:
    """Records as COPY reads them; keys and payloads hold no control characters."""
    fixed = f"{processor_id}\t1\tready\t0\t0\tf\tf\tt\t\t{now.isoformat()}"
    at_once = f"{fixed}\t{now.isoformat()}\t\\N"
    lines = []
    for _, key, payload, priority, available_at, expires_at in chunk:
        start = at_once
        if available_at or expires_at:
            expires = expires_at.isoformat() if expires_at else "\\N"
            start = f"{fixed}\t{(available_at or now).isoformat()}\t{expires}"
        rest = f"{key}\t{payload}".replace("\\", "\\\\")
        lines.append(f"{start}\t{priority}\t{rest}\n")
    return lines
