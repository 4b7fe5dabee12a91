"""An event: who moved what, from which state to which, when and why."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy

from processors.querysets import EventQuerySet

if TYPE_CHECKING:
    from processors.models.door import Move
    from processors.models.processor import Processor


class Event(models.Model):
    """One line of the audit; never changed once written."""

    # Without an index of its own: another begins with it.
    processor = models.ForeignKey(
        "processors.Processor", models.CASCADE, related_name="events", db_index=False
    )
    run = models.ForeignKey(
        "processors.Run", models.CASCADE, null=True, blank=True, related_name="events"
    )
    batch = models.ForeignKey(
        "processors.Batch", models.CASCADE, null=True, blank=True, related_name="events"
    )
    record = models.ForeignKey(
        "processors.Record", models.CASCADE, null=True, blank=True, related_name="events"
    )
    subject = models.CharField(max_length=10)
    action = models.CharField(max_length=30)
    from_state = models.CharField(max_length=10, blank=True, default="")
    to_state = models.CharField(max_length=10, blank=True, default="")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    actor = models.CharField(gettext_lazy("actor"), max_length=200)
    reason = models.TextField(blank=True, default="")
    # What it was before and is now, where a person changed values.
    details = models.JSONField(null=True, blank=True)
    # The click that caused it: the same click sent twice acts once.
    operation = models.UUIDField(null=True, blank=True)
    at = models.DateTimeField()

    objects = EventQuerySet.as_manager()

    class Meta:
        verbose_name = gettext_lazy("event")
        verbose_name_plural = gettext_lazy("events")
        ordering = ("-id",)
        default_permissions = ("view",)
        constraints = (
            models.UniqueConstraint(
                fields=["operation"], condition=Q(operation__isnull=False), name="event_click_once"
            ),
        )
        indexes = (
            models.Index(fields=["processor", "-id"], name="event_of_processor"),
            models.Index(fields=["at"], name="event_at"),
            # Who moved the processor last? Runs write many more lines than people.
            models.Index(
                fields=["processor", "-id"],
                condition=Q(subject="processor"),
                name="event_of_operators",
            ),
        )

    def __str__(self) -> str:
        return f"{self.actor}: {self.action} {self.from_state} → {self.to_state}"

    @classmethod
    def write(
        cls,
        processor: "Processor",
        action: str,
        how: "Move",
        *,
        from_state: str = "",
        to_state: str = "",
        details: dict[str, Any] | None = None,
        **subject: Any,
    ) -> "Event":
        """Add a line; `subject` is `run=`, `batch=` or `record=`, else the processor itself."""
        name = next(iter(subject), "processor")
        return cls.objects.create(
            processor=processor,
            subject=name,
            action=action,
            from_state=from_state,
            to_state=to_state,
            user=how.actor.user,
            actor=how.actor.name,
            reason=how.reason,
            details=details,
            operation=how.operation if name == "processor" else None,
            at=how.now,
            **subject,
        )

    @classmethod
    def write_for_all(cls, processors: "Iterable[Processor]", action: str, how: "Move") -> None:
        """A line for each processor, of an act on all of them; the first carries the click."""
        lines = [
            cls(
                processor=each,
                subject="processor",
                action=action,
                user=how.actor.user,
                actor=how.actor.name,
                reason=how.reason,
                at=how.now,
            )
            for each in processors
        ]
        for line in lines[:1]:
            line.operation = how.operation
        cls.objects.bulk_create(lines, batch_size=500)
