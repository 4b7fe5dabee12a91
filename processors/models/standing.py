"""Where a rate limit stands: the same for all records together, and for those of one key."""

from datetime import datetime, timedelta

from django.db import models

from processors.rates import Rate

LIMIT_CHARACTERS = 130


class Standing(models.Model):
    """How much of a limit is used up.

    `limit` is its writing, such as "100/s": a changed limit begins anew. Up to `free_at` it is
    used up. `used` records were taken in the window that began at `window_at`, and `used_before`
    in the one before it: for people only.
    """

    limit = models.CharField(max_length=LIMIT_CHARACTERS)
    free_at = models.DateTimeField()
    window_at = models.DateTimeField()
    used = models.BigIntegerField(default=0)
    used_before = models.BigIntegerField(default=0)

    class Meta:
        abstract = True

    def spend(self, taken: int, rate: Rate, now: datetime) -> None:
        """Note that so many more were taken of its limit, which is `rate`."""
        self.free_at = rate.after(self.free_at, taken, now)
        self.count(taken, rate, now)

    def count(self, taken: int, rate: Rate, now: datetime) -> None:
        """The figures that people see alone."""
        passed = (now - self.window_at).total_seconds()
        if passed >= rate.per_seconds or passed < 0:
            follows = 0 <= passed < 2 * rate.per_seconds
            self.used_before, self.used = (self.used if follows else 0), 0
            self.window_at = now - timedelta(seconds=passed % rate.per_seconds)
        self.used += taken
