"""A batch: records claimed together by one worker, with the lease and the fence."""

import uuid

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy

from processors.models.counted import Counted, adds_up
from processors.models.run import Run
from processors.querysets import BatchQuerySet
from processors.states import BatchState, CloseReason


class Batch(Counted):
    """The lease on records in hand; written by the protocol in plain SQL.

    `token` is the fence: whoever writes an outcome must hold it. It is random, not counted,
    because counters repeat after a restore from a backup.
    `keys` lists what was claimed (inbox: record ids). What has no outcome yet is `remaining` or,
    where that is null because all went in order, `keys` from `settled_to` on: a number is
    cheaper to write with every commit than a list. The first `in_hand` of it may have been
    begun: those a dead worker leaves under suspicion.
    """

    run = models.ForeignKey(Run, models.PROTECT, related_name="batches")
    token = models.UUIDField(default=uuid.uuid4, unique=True)
    slot = models.IntegerField()
    state = models.CharField(max_length=10, choices=BatchState.choices, default=BatchState.LEASED)
    close_reason = models.CharField(
        max_length=10, choices=CloseReason.choices, blank=True, default=""
    )
    owner = models.CharField(max_length=200)
    heartbeats = models.BigIntegerField(default=0)
    suspect_heartbeats = models.BigIntegerField(null=True, blank=True)
    lease_until = models.DateTimeField()
    keys = models.JSONField(default=list)
    remaining = models.JSONField(null=True, blank=True)
    settled_to = models.IntegerField(default=0)
    in_hand = models.IntegerField(default=0)

    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = BatchQuerySet.as_manager()

    class Meta:
        verbose_name = gettext_lazy("batch")
        verbose_name_plural = gettext_lazy("batches")
        ordering = ("id",)
        default_permissions = ("view",)
        constraints = (
            # At most `parallelism` batches of a run at once: each holds a slot of its own.
            models.UniqueConstraint(
                fields=["run", "slot"], condition=Q(state="leased"), name="batch_one_per_slot"
            ),
            models.CheckConstraint(
                condition=Q(state="leased", closed_at__isnull=True)
                | Q(state="closed", closed_at__isnull=False),
                name="batch_closed_has_time",
            ),
            models.CheckConstraint(
                condition=Q(state="leased") | adds_up(),
                name="batch_counters_add_up",
            ),
        )
        # None on lease or heartbeats: heartbeats must stay updates that touch no index.

    def __str__(self) -> str:
        return f"batch {self.pk}"

    @property
    def open_keys(self) -> list[int | str]:
        """What has no outcome yet."""
        return list(self.keys[self.settled_to :] if self.remaining is None else self.remaining)
