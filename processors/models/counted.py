"""The counters of a batch and of a run: the same ones, so that they can be summed by name."""

from django.db import models
from django.db.models import F, Q

from processors.states import COUNTERS


class Counted(models.Model):
    """Records by what became of them.

    Plain integers: the checks of positive ones would be made again with every commit.
    """

    claimed = models.BigIntegerField(default=0)
    done = models.BigIntegerField(default=0)
    skipped = models.BigIntegerField(default=0)
    retried = models.BigIntegerField(default=0)
    dead = models.BigIntegerField(default=0)
    parked = models.BigIntegerField(default=0)
    crashed = models.BigIntegerField(default=0)
    released = models.BigIntegerField(default=0)

    class Meta:
        abstract = True

    @property
    def counters(self) -> dict[str, int]:
        """The counters by name."""
        return {name: getattr(self, name) for name in COUNTERS}


def adds_up() -> Q:
    """Whatever was claimed became something."""
    total = F("done")
    for name in COUNTERS[2:]:
        total += F(name)  # type: ignore[assignment]
    return Q(claimed=total)
