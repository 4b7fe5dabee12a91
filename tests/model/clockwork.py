"""The database's own clock, stopped and set by a test: on both databases, below our code.

On SQLite the time is Python's, and in one statement that of `strftime`; on Postgres it is that
of `clock_timestamp()`. Each is replaced where our code finds it, so that not a line of ours runs
otherwise than in a worker. Only connections of the thread that uses it are touched.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

from django.db import connections
from django.db.backends.signals import connection_created

BEGINNING = datetime(2025, 1, 6, 12, tzinfo=UTC)

# A schema that Postgres looks into before its own catalogue.
CLOCK_POSTGRES = """
CREATE SCHEMA IF NOT EXISTS clockwork;
CREATE OR REPLACE FUNCTION clockwork.clock_timestamp() RETURNS timestamptz
LANGUAGE sql VOLATILE AS $$ SELECT current_setting('clockwork.now')::timestamptz $$;
SET search_path = clockwork, pg_catalog, public;
SET synchronous_commit = off;
"""


class Clockwork:
    """The time as the database tells it, moved by `advance`."""

    def __init__(self) -> None:
        self.now = BEGINNING

    def advance(self, seconds: float) -> None:
        """Forward, or back where it is negative."""
        self.set(self.now + timedelta(seconds=seconds))

    def set(self, moment: datetime) -> None:
        self.now = moment
        if connections["default"].vendor == "postgresql":
            run("SELECT set_config('clockwork.now', %s, FALSE)", [moment.isoformat()])


def run(sql: str, params: Any = None) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute(sql, params)


@contextmanager
def stopped_clock() -> Iterator[Clockwork]:
    """The clock stands still in here; commits do not wait for the disk."""
    clock, own = Clockwork(), connections["default"]

    def set_up(sender: object, connection: Any, **_: object) -> None:
        """Also a connection that our code closed and opened anew."""
        if connection.alias == "default":
            tell_time(clock, connection)

    own.close()
    connection_created.connect(set_up)
    try:
        with patch("processors.clock.datetime", told_by(clock)):
            own.ensure_connection()
            yield clock
    finally:
        connection_created.disconnect(set_up)
        own.close()  # with it goes the clock


def tell_time(clock: Clockwork, own: Any) -> None:
    """Let a new connection hear the clock."""
    if own.vendor == "postgresql":
        run(CLOCK_POSTGRES)
        clock.set(clock.now)
    else:
        own.connection.create_function("strftime", 2, lambda form, _: in_form(clock.now, form))
        run("PRAGMA synchronous = OFF")


def told_by(clock: Clockwork) -> type[datetime]:
    """`datetime` whose `now` is the clock's."""

    class Told(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return clock.now.astimezone(tz)

    return Told


def in_form(moment: datetime, form: str) -> str:
    """As SQLite's strftime says it, where %f are seconds with three digits."""
    seconds = f"{moment.second:02}.{moment.microsecond // 1000:03}"
    return moment.astimezone(UTC).strftime(form.replace("%f", seconds))
