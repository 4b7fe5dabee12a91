"""A run: one cycle of a processor, from its start to its end, with its counters."""

from typing import Any

from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext_lazy

from processors.models.counted import Counted, adds_up
from processors.models.door import Move, move
from processors.models.event import Event
from processors.models.processor import Processor
from processors.querysets import RunQuerySet
from processors.states import COUNTERS, RUN_ENDED, RUN_MOVES, RunState

USUAL_OPTIONS = "definition_options"
"""What the configuration of a run has beside `options` where those are not the definition's."""


class Trigger(models.TextChoices):
    """Why a run began."""

    SCHEDULE = "schedule", gettext_lazy("Schedule")
    ARRIVAL = "arrival", gettext_lazy("On arrival")
    MANUAL = "manual", gettext_lazy("By hand")
    RETRY = "retry", gettext_lazy("Retry")


class Run(Counted):
    """One cycle. Counters are exact once it has ended; before that see `with_counters`."""

    # Without an index of its own: others begin with it.
    processor = models.ForeignKey(Processor, models.PROTECT, related_name="runs", db_index=False)
    seq = models.PositiveBigIntegerField()
    slot = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=10, choices=RunState.choices, default=RunState.RUNNING)
    trigger = models.CharField(max_length=10, choices=Trigger.choices)
    reason = models.TextField(blank=True, default="")
    actor = models.CharField(max_length=200, blank=True, default="")
    # Why the machine stopped it; with one, it ends as failed.
    fault_reason = models.TextField(blank=True, default="")
    # The definition this cycle runs with, whatever is changed meanwhile.
    config = models.JSONField(default=dict)
    # Records above this key (inbox: row id) arrived later and belong to the next cycle.
    ceiling = models.TextField(null=True, blank=True)  # noqa: DJ001 - none is not an empty key
    expected = models.PositiveBigIntegerField(null=True, blank=True)
    claim_limit = models.PositiveBigIntegerField(null=True, blank=True)
    # Where a foreign table is read on from: a hint within this cycle, never a claim.
    position = models.TextField(null=True, blank=True)  # noqa: DJ001 - the same

    started_at = models.DateTimeField()
    stop_requested_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    # When wake-ups were last put into Redis: only a hint for the relay.
    woken_at = models.DateTimeField(null=True, blank=True)

    objects = RunQuerySet.as_manager()

    class Meta:
        verbose_name = gettext_lazy("run")
        verbose_name_plural = gettext_lazy("runs")
        ordering = ("-started_at", "-id")
        default_permissions = ("view", "delete")
        constraints = (
            models.UniqueConstraint(fields=["processor", "seq"], name="run_seq_once"),
            models.UniqueConstraint(
                fields=["processor", "slot"],
                condition=Q(slot__isnull=False),
                name="run_slot_once",
            ),
            models.UniqueConstraint(
                fields=["processor"], condition=Q(ended_at__isnull=True), name="run_one_active"
            ),
            models.CheckConstraint(condition=Q(state__in=RunState.values), name="run_state_known"),
            models.CheckConstraint(
                condition=Q(state__in=sorted(RUN_ENDED), ended_at__isnull=False)
                | (~Q(state__in=sorted(RUN_ENDED)) & Q(ended_at__isnull=True)),
                name="run_ended_has_time",
            ),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | adds_up(),
                name="run_counters_add_up",
            ),
        )
        indexes = (
            # The run list, newest first, whole and of one processor. (By number a processor's
            # runs are found by the constraint on both.)
            models.Index(fields=["-started_at", "-id"], name="run_newest"),
            models.Index(fields=["processor", "-started_at", "-id"], name="run_of_processor"),
            # The same by why they began, and by what became of them: each tab of the list counts
            # and shows its own. Those that are active have an index below.
            models.Index(fields=["trigger", "-started_at", "-id"], name="run_by_trigger"),
            models.Index(
                fields=["-started_at", "-id"],
                condition=Q(state="finished", dead=0, parked=0),
                name="run_succeeded",
            ),
            models.Index(
                fields=["-started_at", "-id"],
                condition=Q(dead__gt=0) | Q(parked__gt=0),
                name="run_with_failures",
            ),
            models.Index(
                fields=["-started_at", "-id"], condition=Q(state="stopped"), name="run_stopped"
            ),
            models.Index(
                fields=["-started_at", "-id"], condition=Q(state="failed"), name="run_failed"
            ),
            # Which runs are active? Asked by every tick.
            models.Index(fields=["id"], condition=Q(ended_at__isnull=True), name="run_active"),
        )

    def __str__(self) -> str:
        return f"{self.processor} #{self.seq}"

    def get_absolute_url(self) -> str:
        """Its page in the admin."""
        return reverse("admin:processors_run_change", args=[self.pk])

    @property
    def has_ended(self) -> bool:
        """Whether its counters are final."""
        return self.ended_at is not None

    @property
    def has_other_options(self) -> bool:
        """Whether somebody gave its handler other options than the definition's."""
        return USUAL_OPTIONS in self.config

    @property
    def settled(self) -> int:
        """Records with a final outcome: one that was tried again counts once."""
        return self.done + self.skipped + self.dead + self.parked

    @property
    def retries(self) -> int:
        """Outcomes after which a record waits to be tried again."""
        return self.retried + self.crashed

    @property
    def has_failures(self) -> bool:
        """Whether records of it need a person."""
        return self.dead + self.parked > 0

    def request_pause(self, how: Move) -> None:
        """Claim no more; batches in hand come back after their record in hand."""
        self._move(RunState.PAUSING, "pause", how)

    def become_paused(self, how: Move) -> None:
        """Nothing is in hand any more."""
        self._move(RunState.PAUSED, "paused", how)

    def resume(self, how: Move) -> None:
        """Claim on, as the same run."""
        self._move(RunState.RUNNING, "resume", how)

    def request_stop(self, how: Move) -> None:
        """Claim no more; the run ends when nothing is in hand."""
        self._move(RunState.STOPPING, "stop", how, stop_requested_at=how.now)

    def fault(self, how: Move) -> None:
        """Claim no more, because going on would do harm; ends as failed, for the move's reason."""
        if self.state != RunState.STOPPING:
            self._move(
                RunState.STOPPING, "fault", how, stop_requested_at=how.now, fault_reason=how.reason
            )
            return
        type(self).objects.filter(pk=self.pk).update(fault_reason=how.reason)
        self.fault_reason = how.reason
        Event.write(self.processor, "fault", how, run=self)

    def end(self, state: RunState, how: Move, counters: dict[str, int]) -> None:
        """Close the books: the state it ended in and its exact counters."""
        numbers = {name: counters[name] for name in COUNTERS}
        self._move(state, "end", how, ended_at=how.now, **numbers)

    def _move(self, to: str, action: str, how: Move, **fields: Any) -> None:
        left = move(self, RUN_MOVES, to, **fields)
        Event.write(self.processor, action, how, run=self, from_state=left, to_state=to)
