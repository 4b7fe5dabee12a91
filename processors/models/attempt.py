"""An attempt: what became of a record when it was not a plain success."""

from django.db import models
from django.utils.translation import gettext_lazy

from processors.models.processor import Processor
from processors.models.record import Record
from processors.querysets import AttemptQuerySet


class AttemptOutcome(models.TextChoices):
    """How one try ended."""

    DONE = "done", gettext_lazy("Done")  # a success that logged something
    SKIPPED = "skipped", gettext_lazy("Skipped")
    RETRY = "retry", gettext_lazy("Will be retried")
    DEAD = "dead", gettext_lazy("Dead")
    CRASHED = "crashed", gettext_lazy("Worker lost")
    PARKED = "parked", gettext_lazy("Parked")


class Attempt(models.Model):
    """One line of a record's history; never changed once written.

    But for `error_type`, where how its worker ended was seen only after it was given up.
    """

    # These two without indexes of their own: others begin with them.
    processor = models.ForeignKey(
        Processor, models.PROTECT, related_name="attempts", db_index=False
    )
    record = models.ForeignKey(Record, models.CASCADE, related_name="history", db_index=False)
    run = models.ForeignKey("processors.Run", models.CASCADE, related_name="attempts")
    batch = models.ForeignKey("processors.Batch", models.CASCADE, related_name="attempts")
    visit = models.PositiveBigIntegerField()
    number = models.PositiveIntegerField()
    outcome = models.CharField(max_length=10, choices=AttemptOutcome.choices)
    error_type = models.CharField(max_length=200, blank=True, default="")
    message = models.TextField(blank=True, default="")
    traceback = models.TextField(blank=True, default="")
    fingerprint = models.CharField(max_length=32, blank=True, default="")
    log = models.JSONField(default=list, blank=True)
    owner = models.CharField(gettext_lazy("worker"), max_length=200, blank=True, default="")
    duration_seconds = models.FloatField(null=True, blank=True)
    at = models.DateTimeField()

    objects = AttemptQuerySet.as_manager()

    class Meta:
        verbose_name = gettext_lazy("attempt")
        verbose_name_plural = gettext_lazy("attempts")
        ordering = ("-id",)
        default_permissions = ("view",)
        constraints = (
            # A record has one outcome in each batch it was claimed in, ever.
            models.UniqueConstraint(fields=["record", "batch"], name="attempt_once"),
        )
        indexes = (
            # Errors of one kind, newest first.
            models.Index(fields=["processor", "fingerprint", "-id"], name="attempt_by_error"),
            models.Index(fields=["at"], name="attempt_at"),
        )

    def __str__(self) -> str:
        return f"{self.record} attempt {self.number}: {self.outcome}"
