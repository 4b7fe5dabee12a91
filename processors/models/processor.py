"""A processor: where records come from, who treats them, how many at once, and when."""

from datetime import datetime
from typing import Any

from django.contrib.auth.models import Group
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from processors.breaker import Rule
from processors.models.door import Move, StateConflict, move
from processors.models.event import Event
from processors.querysets import ProcessorQuerySet
from processors.rates import BY, Rate
from processors.states import PROCESSOR_MOVES, ProcessorState

SLUG = RegexValidator(
    r"\A[a-z0-9]+(-[a-z0-9]+)*\Z", gettext_lazy("Lower case letters, digits and single hyphens.")
)


class TriggerKind(models.TextChoices):
    """When the next cycle begins."""

    INTERVAL = "interval", gettext_lazy("After a pause")
    CRON = "cron", gettext_lazy("At set times")
    ARRIVAL = "arrival", gettext_lazy("When a record arrives")
    MANUAL = "manual", gettext_lazy("Only by hand")


class Misfire(models.TextChoices):
    """What becomes of set times that passed while nothing could run."""

    ONCE = "once", gettext_lazy("Run once")
    SKIP = "skip", gettext_lazy("Skip them")


class Processor(models.Model):
    """A definition and what the operator wants of it."""

    slug = models.CharField(max_length=80, unique=True, validators=[SLUG])
    name = models.CharField(max_length=80)
    description = models.CharField(max_length=500, blank=True, default="")
    handler = models.CharField(max_length=200)
    options = models.JSONField(default=dict, blank=True)
    source = models.JSONField(default=dict)
    # The same as in `source`, where one question to the database can use it.
    source_kind = models.CharField(max_length=20, editable=False, default="inbox")
    topic = models.CharField(max_length=80, blank=True, default="", editable=False)
    queue = models.CharField(gettext_lazy("queue"), max_length=80, default="default")

    trigger_kind = models.CharField(
        max_length=20, choices=TriggerKind.choices, default=TriggerKind.MANUAL
    )
    pause_seconds = models.PositiveIntegerField(default=60)
    cron = models.CharField(max_length=100, blank=True, default="")
    time_zone = models.CharField(max_length=64, default="UTC")
    misfire = models.CharField(max_length=10, choices=Misfire.choices, default=Misfire.ONCE)

    parallelism = models.PositiveIntegerField(default=2)
    concurrency = models.PositiveIntegerField(default=1)
    batch_size = models.PositiveIntegerField(default=500)
    records_per_cycle = models.PositiveIntegerField(null=True, blank=True)
    # Several at once, each as `processors.rates` writes it: "100/s", "5/min by customer".
    rate_limits = models.JSONField(default=list, blank=True)
    # When it takes no records, as `processors.blackouts` writes it.
    blackouts = models.JSONField(default=list, blank=True)
    record_timeout_seconds = models.PositiveIntegerField(default=300)
    max_attempts = models.PositiveIntegerField(default=5)
    backoff_base_seconds = models.FloatField(default=10)
    backoff_cap_seconds = models.FloatField(default=3600)
    # The circuit breaker: see `breaker.Rule`.
    breaker_on = models.BooleanField(default=True)
    breaker_failures = models.PositiveIntegerField(default=10)
    breaker_share_percent = models.PositiveIntegerField(default=50)
    breaker_window = models.PositiveIntegerField(default=100)
    breaker_crashes = models.PositiveIntegerField(default=5)

    # Who may know of it at all; none: everyone. No part of the definition, because a definition
    # moves between installations and these groups do not.
    groups = models.ManyToManyField(Group, blank=True, related_name="processors")

    state = models.CharField(
        max_length=10,
        choices=ProcessorState.choices,
        default=ProcessorState.STOPPED,
        editable=False,
    )
    fault_reason = models.TextField(blank=True, default="", editable=False)
    # After a fault was cleared: few records at a time, until they go well.
    on_trial = models.BooleanField(default=False, editable=False)
    # Outcomes before this time say nothing about what runs now.
    judged_since = models.DateTimeField(null=True, blank=True, editable=False)
    # When a pause ends by itself.
    paused_until = models.DateTimeField(null=True, blank=True, editable=False)
    version = models.PositiveBigIntegerField(default=0, editable=False)
    last_seq = models.PositiveBigIntegerField(default=0, editable=False)
    next_due_at = models.DateTimeField(null=True, blank=True, editable=False)
    # The time the trigger itself asks for; next_due_at may lie before it, for a retry.
    next_slot_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_looked_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)

    objects = ProcessorQuerySet.as_manager()

    class Meta:
        verbose_name = gettext_lazy("processor")
        verbose_name_plural = gettext_lazy("processors")
        ordering = ("name", "id")
        permissions = (
            ("operate_processor", "Can start, stop, pause and resume processors"),
            ("tune_processor", "Can change limits of processors while they run"),
            ("force_stop_processor", "Can force a run to stop"),
            ("manage_dead_records", "Can retry, discard and settle failed records"),
            ("change_source", "Can say which tables and hosts records come from"),
            ("administer_processors", "Can reach every processor, and keep one to groups"),
        )
        indexes = (
            # Which processors are due? Asked by every tick.
            models.Index(
                fields=["next_due_at"],
                condition=Q(state="started"),
                name="processor_due",
            ),
            models.Index(
                fields=["paused_until"],
                condition=Q(paused_until__isnull=False),
                name="processor_paused_until",
            ),
            models.Index(fields=["topic"], condition=~Q(topic=""), name="processor_topic"),
        )
        constraints = (
            models.CheckConstraint(
                condition=Q(state__in=ProcessorState.values), name="processor_state_known"
            ),
            models.CheckConstraint(
                condition=Q(parallelism__gte=1, concurrency__gte=1, batch_size__range=(1, 1000)),
                name="processor_limits_sane",
            ),
            models.CheckConstraint(
                condition=Q(state="started") | Q(next_due_at__isnull=True),
                name="processor_due_only_when_started",
            ),
        )

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Its page in the admin."""
        return reverse("admin:processors_processor_change", args=[self.pk])

    @property
    def rates(self) -> list[Rate]:
        """Its rate limits."""
        return [Rate.parse(text) for text in self.rate_limits]

    @property
    def key_rates(self) -> list[Rate]:
        """Those of them that hold for each key by itself."""
        return [Rate.parse(text) for text in self.rate_limits if BY in text]

    @property
    def is_started(self) -> bool:
        """Whether its operator wants cycles."""
        return self.state == ProcessorState.STARTED

    @property
    def is_faulted(self) -> bool:
        """Whether the machine stopped it and a person must look."""
        return bool(self.fault_reason)

    @property
    def breaker(self) -> Rule:
        """When the machine shall stop it, as things are now."""
        rule = Rule(
            self.breaker_failures,
            self.breaker_share_percent,
            self.breaker_window,
            self.breaker_crashes,
        )
        return rule.on_trial() if self.on_trial else rule

    def start(self, how: Move) -> None:
        """Let cycles begin, the first at once (a cron's at its next time: set by the caller)."""
        self._move(ProcessorState.STARTED, "start", how, next_due_at=how.now, judged_since=how.now)

    def stop(self, how: Move) -> None:
        """Let no further cycle begin."""
        self._move(ProcessorState.STOPPED, "stop", how, next_due_at=None, paused_until=None)

    def pause(self, how: Move) -> None:
        """Let no further cycle begin until it is resumed."""
        self._move(ProcessorState.PAUSED, "pause", how, next_due_at=None, paused_until=None)

    def resume(self, how: Move) -> None:
        """Go on after a pause."""
        self._move(ProcessorState.STARTED, "resume", how, next_due_at=how.now)

    def fault(self, reason: str, how: Move) -> None:
        """Stop it because going on would do harm; `reason` says what to do."""
        if self.state != ProcessorState.STOPPED:
            self._move(ProcessorState.STOPPED, "fault", how, next_due_at=None, fault_reason=reason)
            return
        type(self).objects.filter(pk=self.pk).update(fault_reason=reason, version=F("version") + 1)
        self.fault_reason = reason
        self.version += 1
        Event.write(self, "fault", how)

    def clear_fault(self, how: Move) -> None:
        """What had stopped it is mended, as a few records shall show; see `on_trial`."""
        type(self).objects.filter(pk=self.pk).update(
            fault_reason="", on_trial=True, judged_since=how.now, version=F("version") + 1
        )
        self.fault_reason, self.on_trial, self.judged_since = "", True, how.now
        self.version += 1
        Event.write(self, "clear-fault", how)

    def arm(self, due_at: datetime | None, *, looked_at: datetime) -> None:
        """Note when the next cycle may begin; nothing where it is not started any more."""
        rows = type(self).objects.filter(pk=self.pk, state=ProcessorState.STARTED)
        if rows.update(next_due_at=due_at, last_looked_at=looked_at):
            self.next_due_at = due_at
        self.last_looked_at = looked_at

    def _move(self, to: str, action: str, how: Move, **fields: Any) -> None:
        seen = self.version
        left = move(self, PROCESSOR_MOVES, to, version=F("version") + 1, **fields)
        self.version = seen + 1
        Event.write(self, action, how, from_state=left, to_state=to)

    def check_version(self, seen: int | None) -> None:
        """Refuse an act on a page that shows an older state.

        Raises StateConflict naming who was first.
        """
        if seen is None or seen == self.version:
            return
        last = Event.objects.filter(processor=self, subject="processor").newest()
        who = f"{last.actor} ({last.action}, {last.at:%H:%M:%S} UTC)" if last else "somebody"
        raise StateConflict(
            _("%(processor)s was changed meanwhile by %(who)s. Look again, then decide.")
            % {"processor": self, "who": who}
        )
