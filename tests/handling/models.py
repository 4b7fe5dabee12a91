"""What the tests' handlers leave behind: no unique constraint, so that doubles show."""

from django.db import models


class Effect(models.Model):
    """One handling of a record."""

    key = models.CharField(max_length=200)
    idempotency_key = models.CharField(max_length=300)
    run = models.BigIntegerField()
    pid = models.BigIntegerField()
    begun_at = models.FloatField()

    def __str__(self) -> str:
        return self.key
