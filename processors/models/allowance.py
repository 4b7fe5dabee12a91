"""How much of a rate limit is used up: a row for each limit of a processor."""

from django.db import models

from processors.models.processor import Processor

LIMIT_CHARACTERS = 130


class Allowance(models.Model):
    """Where a limit stands; locked by every claim of its processor.

    `limit` is its writing, such as "100/s": a changed limit begins anew. Up to `free_at` it is
    used up. `used` records were taken in the window that began at `window_at`, and `used_before`
    in the one before it: for people only. Of a limit by a key these are of all its keys together,
    and where each of them stands is its lane's.
    """

    processor = models.ForeignKey(Processor, models.CASCADE, related_name="allowances")
    limit = models.CharField(max_length=LIMIT_CHARACTERS)
    free_at = models.DateTimeField()
    window_at = models.DateTimeField()
    used = models.BigIntegerField(default=0)
    used_before = models.BigIntegerField(default=0)

    class Meta:
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=["processor", "limit"], name="allowance_once"),
        )

    def __str__(self) -> str:
        return self.limit
