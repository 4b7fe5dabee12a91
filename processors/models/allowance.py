"""How much of a rate limit is used up: a row for each limit of a processor."""

from django.db import models

from processors.models.processor import Processor
from processors.models.standing import Standing


class Allowance(Standing):
    """Where a limit stands; locked by every claim of its processor.

    Of a limit by a key it counts all its keys together; where each of them stands is its lane's.
    """

    processor = models.ForeignKey(Processor, models.CASCADE, related_name="allowances")

    class Meta:
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=["processor", "limit"], name="allowance_once"),
        )

    def __str__(self) -> str:
        return self.limit
