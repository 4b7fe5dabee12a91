"""A version: what a processor's definition said from one change to the next."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy

from processors.querysets import VersionQuerySet

if TYPE_CHECKING:
    from processors.models.door import Move
    from processors.models.processor import Processor


class Version(models.Model):
    """One state of a definition; never changed once written.

    `definition` is what `processor dump` prints and `processor load` reads. `action` is that of
    the event that was written with it.
    """

    processor = models.ForeignKey("processors.Processor", models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    definition = models.JSONField()
    action = models.CharField(max_length=30)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+"
    )
    actor = models.CharField(max_length=200)
    reason = models.TextField(blank=True, default="")
    at = models.DateTimeField()

    objects = VersionQuerySet.as_manager()

    class Meta:
        verbose_name = gettext_lazy("version")
        verbose_name_plural = gettext_lazy("versions")
        ordering = ("-number",)
        default_permissions = ()
        constraints = (
            models.UniqueConstraint(fields=["processor", "number"], name="version_number_once"),
        )

    def __str__(self) -> str:
        return f"{self.processor} {self.number}"

    def get_absolute_url(self) -> str:
        """Its page in the admin."""
        return reverse("admin:processors_processor_version", args=[self.processor_id, self.number])

    @classmethod
    def keep(
        cls, processor: "Processor", definition: dict[str, Any], action: str, how: "Move"
    ) -> "Version":
        """Write the next one; the caller holds the processor's lock."""
        newest = cls.objects.filter(processor=processor).newest()
        return cls.objects.create(
            processor=processor,
            number=newest.number + 1 if newest else 1,
            definition=definition,
            action=action,
            user=how.actor.user,
            actor=how.actor.name,
            reason=how.reason,
            at=how.now,
        )
