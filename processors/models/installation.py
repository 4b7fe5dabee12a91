"""The one row that names this installation and holds its common clockwork."""

import uuid
from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone


class Installation(models.Model):
    """A single row, made after migrating.

    `identity` begins every idempotency key, so that a copy of the database that runs elsewhere
    can be told apart. `reaped_at` is the gate of the reaper: one winner per gap.
    """

    identity = models.UUIDField(default=uuid.uuid4, editable=False)
    reaped_at = models.DateTimeField()
    scheduler_seen_at = models.DateTimeField(null=True, blank=True)
    scheduler_name = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        default_permissions = ()
        permissions = (
            ("view_queues", "Can see queues and workers"),
            ("manage_queues", "Can empty queues, put jobs back, stop jobs and drain workers"),
            ("view_health", "Can see what is wrong with the installation"),
        )
        constraints = (models.CheckConstraint(condition=Q(id=1), name="installation_one_row"),)

    def __str__(self) -> str:
        return str(self.identity)

    @classmethod
    def make(cls) -> None:
        """Add the row where it is missing."""
        cls.objects.get_or_create(pk=1, defaults={"reaped_at": timezone.now()})

    @classmethod
    def this(cls) -> "Installation":
        """The row; costs a query."""
        return cls.objects.get(pk=1)

    @classmethod
    def pass_gate(cls, *, now: datetime, gap: timedelta) -> bool:
        """Whether the caller is the one to reap now: once per `gap`.

        A clock that jumped ahead and back must not close the gate for ever, so a time that lies
        in the future opens it as well.
        """
        late = Q(reaped_at__lte=now - gap) | Q(reaped_at__gt=now + gap)
        return cls.objects.filter(late, pk=1).update(reaped_at=now) == 1
