"""Failed records by the kind of their error: is it one cause or a hundred, and does it go on?"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Max, Sum

from processors.clock import as_parameter, as_utc
from processors.models import Record
from processors.querysets import RecordQuerySet
from processors.sources.fingerprints import normalised

NEWEST = 20_000
"""Failed records that are grouped: of those the numbers are exact, and the page is quick."""
MOST_GROUPS = 50

# The newest failures by processor and kind of error, the most frequent first.
GROUPS = """
SELECT processor_id, coalesce(fingerprint, ''), max(error_type), count(*),
       sum(CASE WHEN failed_at >= %s THEN 1 ELSE 0 END),
       sum(CASE WHEN failed_at >= %s THEN 1 ELSE 0 END),
       sum(CASE WHEN failed_at >= %s THEN 1 ELSE 0 END),
       min(failed_at), max(failed_at), max(id)
  FROM ({newest}) AS newest
 GROUP BY processor_id, fingerprint
 ORDER BY count(*) DESC, max(id) DESC
 LIMIT %s
"""


@dataclass(frozen=True)
class ErrorGroup:
    """Failed records of one processor with one kind of error; a sample is the newest of them."""

    processor_id: int
    fingerprint: str
    error_type: str
    count: int
    hour: int
    day: int
    week: int
    first_at: datetime
    last_at: datetime
    sample_id: int
    sample_key: str = ""
    sample_error: str = ""
    message: str = ""


def pulse(records: RecordQuerySet, newest: int = NEWEST) -> tuple[Any, ...]:
    """What changes whenever one of the failed ones is treated or another fails. One query."""
    rows = records.needing_attention().order_by("-failed_at", "-id")[:newest]
    found = rows.aggregate(count=Count("id"), last=Max("failed_at"), ids=Sum("id"))
    return found["count"], found["last"], found["ids"]


def groups(
    records: RecordQuerySet, now: datetime, *, newest: int = NEWEST, most: int = MOST_GROUPS
) -> list[ErrorGroup]:
    """The kinds of error among the newest failed ones of these records. Two queries."""
    columns = ("id", "processor_id", "fingerprint", "error_type", "failed_at")
    rows = records.needing_attention().order_by("-failed_at", "-id").values(*columns)[:newest]
    inner, params = rows.query.sql_with_params()
    since = [now - timedelta(hours=1), now - timedelta(days=1), now - timedelta(days=7)]
    with connection.cursor() as cursor:
        cursor.execute(
            GROUPS.format(newest=inner),
            [*(as_parameter(moment, connection.vendor) for moment in since), *params, most],
        )
        found = cursor.fetchall()
    return with_samples(as_group(row) for row in found)


def as_group(row: tuple[Any, ...]) -> ErrorGroup:
    """One line of the answer."""
    owner, fingerprint, error_type, count, hour, day, week, first, last, sample = row
    return ErrorGroup(
        processor_id=owner,
        fingerprint=fingerprint,
        error_type=error_type or "",
        count=count,
        hour=hour,
        day=day,
        week=week,
        first_at=as_utc(first),
        last_at=as_utc(last),
        sample_id=sample,
    )


def with_samples(found: Iterable[ErrorGroup]) -> list[ErrorGroup]:
    """Each group with its newest record and the normalised message of that."""
    listed = list(found)
    samples = Record.objects.only("key", "last_error").in_bulk([one.sample_id for one in listed])
    return [
        replace(
            one,
            sample_key=sample.key,
            sample_error=sample.last_error,
            message=normalised(sample.last_error),
        )
        for one in listed
        if (sample := samples.get(one.sample_id)) is not None
    ]
