"""An act on so many records that no request can wait for it: done by workers, step by step."""

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy

from processors.querysets import BulkActQuerySet


class BulkAct(models.Model):
    """What is to be done to which failed records, for whom, and how far it is."""

    what = models.CharField(max_length=10)
    selection = models.JSONField(default=dict)
    # The selection as the person confirmed it.
    words = models.TextField()
    reason = models.TextField(blank=True, default="")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    actor = models.CharField(max_length=200)
    expected = models.BigIntegerField()
    # Records moved so far, by processor.
    moved = models.JSONField(default=dict)
    # Why it ended before its end; empty for one that did all.
    trouble = models.TextField(blank=True, default="")
    started_at = models.DateTimeField()
    # When a worker was last at it, or woken for it.
    seen_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = BulkActQuerySet.as_manager()

    class Meta:
        verbose_name = gettext_lazy("act on many records")
        verbose_name_plural = gettext_lazy("acts on many records")
        ordering = ("-id",)
        default_permissions = ()
        indexes = (
            # Which are not through yet? Asked by every tick.
            models.Index(fields=["id"], condition=Q(ended_at__isnull=True), name="bulk_act_open"),
        )

    def __str__(self) -> str:
        return f"{self.what}: {self.words}"

    def get_absolute_url(self) -> str:
        """Its page in the admin."""
        return reverse("admin:bulk_act", args=[self.pk])

    @property
    def total(self) -> int:
        """Records moved so far."""
        return sum(self.moved.values())

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will be moved."""
        return self.ended_at is not None

    def note(self, moved: dict[int, int], now: datetime) -> None:
        """Some more were moved; in their transaction."""
        for processor_id, number in moved.items():
            self.moved[str(processor_id)] = self.moved.get(str(processor_id), 0) + number
        self.write(moved=self.moved, seen_at=now)

    def end(self, now: datetime, trouble: str = "") -> None:
        """Nothing is left, or it cannot go on."""
        self.write(ended_at=now, trouble=trouble, seen_at=now)

    def write(self, **columns: Any) -> None:
        """Only these columns, only while it has not ended."""
        for name, value in columns.items():
            setattr(self, name, value)
        type(self).objects.open().filter(pk=self.pk).update(**columns)
