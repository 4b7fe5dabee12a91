"""Where one key value stands with a limit of its own, and the records that wait for it."""

from datetime import UTC, datetime

from django.db import models
from django.db.models import Q

from processors.models.processor import Processor
from processors.models.standing import Standing
from processors.rates import VALUE_CHARACTERS

# When a record that waits in a lane is due: never by itself.
IN_LANE = datetime(2200, 1, 1, tzinfo=UTC)


class Lane(Standing):
    """The records of one key value, under one limit; changed by whoever holds the limit's row.

    `waits`: records may be waiting in it, set aside by a claim until there is room again.
    """

    processor = models.ForeignKey(Processor, models.CASCADE, related_name="lanes", db_index=False)
    value = models.CharField(max_length=VALUE_CHARACTERS, blank=True)
    waits = models.BooleanField(default=False)

    class Meta:
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=["processor", "limit", "value"], name="lane_once"),
        )
        indexes = (
            # Which may let the next record go?
            models.Index(
                fields=["processor", "limit", "free_at"],
                condition=Q(waits=True),
                name="lane_due",
            ),
            # Which are the busiest, and which have been idle for long?
            models.Index(fields=["processor", "limit", "-free_at"], name="lane_busy"),
        )

    def __str__(self) -> str:
        return f"{self.limit}: {self.value}"
