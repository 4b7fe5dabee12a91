"""The one clock that decides: the database's.

Workers on many machines never agree on the time; the database they share has one. Functions
that need the time take it as `now`; the edges read it here.
"""

from datetime import UTC, datetime
from typing import Any

from django.db import connections


def database_now(alias: str = "default") -> datetime:
    """The database's time, aware, in UTC. Costs one round trip on Postgres.

    An SQLite file has no clock but that of the machine it lies on, which is ours.
    """
    if connections[alias].vendor != "postgresql":
        return datetime.now(UTC)
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        return as_utc(cursor.fetchone()[0])


def as_utc(value: Any) -> datetime:
    """A time read by plain SQL as an aware one: SQLite keeps text without a zone, in UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    moment: datetime = value
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def as_parameter(moment: datetime, vendor: str) -> Any:
    """An aware time as plain SQL's parameter; on SQLite in the form Django itself writes."""
    if vendor == "postgresql":
        return moment
    return str(moment.astimezone(UTC).replace(tzinfo=None))
