"""What a processor's runs of one hour came to: what charts over months are drawn from.

A sum kept at the end of each run, in the transaction that ends it, because nobody can group a
million runs by day while a page waits.
"""

from typing import Any

from django.db import models
from django.db.models import F

from processors.models.processor import Processor
from processors.models.run import Run
from processors.states import RunState


class RunHour(models.Model):
    """Runs that ended within an hour (UTC), and records with a final outcome in them."""

    # Without an index of its own: the constraint's begins with it.
    processor = models.ForeignKey(Processor, models.CASCADE, related_name="hours", db_index=False)
    hour = models.DateTimeField()
    succeeded = models.BigIntegerField(default=0)
    with_failures = models.BigIntegerField(default=0)
    failed = models.BigIntegerField(default=0)
    stopped = models.BigIntegerField(default=0)
    records = models.BigIntegerField(default=0)
    failed_records = models.BigIntegerField(default=0)

    class Meta:
        default_permissions = ()
        constraints = (models.UniqueConstraint(fields=["processor", "hour"], name="run_hour_once"),)
        indexes = (
            # The last days of all processors.
            models.Index(fields=["hour"], name="run_hour_newest"),
        )

    def __str__(self) -> str:
        return f"{self.processor}, {self.hour:%Y-%m-%d %H} h UTC"

    @classmethod
    def count(cls, run: Run) -> None:
        """Add an ended run; under the processor's lock, so that no two add at once."""
        assert run.ended_at is not None
        hour = run.ended_at.replace(minute=0, second=0, microsecond=0)
        failed_records = run.dead + run.parked
        more: dict[str, int] = {
            outcome_of(run): 1,
            "records": run.done + run.skipped + failed_records,
            "failed_records": failed_records,
        }
        rows = cls.objects.filter(processor=run.processor_id, hour=hour)
        changes: dict[str, Any] = {name: F(name) + number for name, number in more.items()}
        if not rows.update(**changes):
            cls.objects.create(processor_id=run.processor_id, hour=hour, **more)


def outcome_of(run: Run) -> str:
    """The column that an ended run is counted in."""
    if run.state == RunState.FINISHED:
        return "with_failures" if run.has_failures else "succeeded"
    return str(run.state)
