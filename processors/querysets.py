"""Named questions about many rows."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import EmptyResultSet
from django.db import connection, models
from django.db.models import Exists, OuterRef, Subquery, Sum

from processors.states import (
    COUNTERS,
    RECORD_SETTLED,
    BatchState,
    ProcessorState,
    RunState,
)
from processors.storable import is_name

if TYPE_CHECKING:
    from processors.models import Event, Run, Version


Person = User | AnonymousUser
ADMINISTER = "processors.administer_processors"


class ProcessorQuerySet(models.QuerySet[Any]):
    """Questions about processors."""

    def visible_to(self, person: Person) -> "ProcessorQuerySet":
        """Those that this person may know of: kept to no group, or to one of theirs."""
        if person.has_perm(ADMINISTER):
            return self.all()
        kept = self.model.groups.through.objects.filter(processor=OuterRef("pk"))
        theirs = kept.filter(group__in=person.groups.all())
        return self.filter(~Exists(kept) | Exists(theirs))

    def hidden_from(self, person: Person) -> list[int]:
        """The ids of the others; most often none, so that lists need not look at each row."""
        if person.has_perm(ADMINISTER):
            return []
        shown = self.model.objects.visible_to(person).values("pk")
        return list(self.exclude(pk__in=shown).order_by().values_list("pk", flat=True))

    def queues_in_use(self) -> list[str]:
        """The queues on which somebody must listen: of processors that are not stopped."""
        used = self.exclude(state=ProcessorState.STOPPED).order_by()
        return sorted(set(used.values_list("queue", flat=True)))

    def paused(self) -> "ProcessorQuerySet":
        """Those that are, and those whose run alone is: it was begun by hand of a stopped one."""
        active = self.model.runs.rel.related_model.objects.active()
        own = active.filter(processor=OuterRef("pk"), state__in=[RunState.PAUSING, RunState.PAUSED])
        return self.filter(models.Q(state=ProcessorState.PAUSED) | Exists(own))

    def armed(self) -> "ProcessorQuerySet":
        """Started, not faulted, nothing active, and waiting for their time."""
        active = self.model.runs.rel.related_model.objects.active()
        return self.filter(
            ~models.Exists(active.filter(processor=models.OuterRef("pk"))),
            state=ProcessorState.STARTED,
            fault_reason="",
            next_due_at__isnull=False,
        )

    def due(self, now: datetime) -> "ProcessorQuerySet":
        """Armed, and their time has come."""
        return self.armed().filter(next_due_at__lte=now)

    def listening_to(self, target: str) -> "ProcessorQuerySet":
        """Inboxes that take what is published under this slug or topic."""
        if not is_name(target):
            return self.none()
        named = models.Q(slug=target) | models.Q(topic=target)
        return self.filter(named, source_kind="inbox")

    def kept(self) -> list[Any]:
        """These, none of them deleted before the commit. In a transaction.

        No constraint ties a record to its processor: what arrives while that is deleted would be
        stored for nobody. The lock is the one a constraint would take, in nobody else's way.
        """
        if connection.vendor != "postgresql":  # SQLite has one writer
            return list(self)
        try:
            sql, params = self.query.sql_with_params()
        except EmptyResultSet:
            return []
        return list(self.model.objects.raw(f"{sql} FOR KEY SHARE", params))


class OfProcessorQuerySet(models.QuerySet[Any]):
    """Rows that belong to a processor, and are hidden with it."""

    def visible_to(self, person: Person) -> Self:
        """Those of processors that this person may know of. Costs a query."""
        processors = self.model.processor.field.related_model.objects
        hidden = processors.hidden_from(person)
        return self.exclude(processor__in=hidden) if hidden else self.all()

    def count_to(self, cap: int) -> int:
        """How many, counted no further than `cap`; unordered, or the database would sort first."""
        return self.order_by()[:cap].count()


class RunQuerySet(OfProcessorQuerySet):
    """Questions about runs."""

    def active(self) -> "RunQuerySet":
        """Not ended."""
        return self.filter(ended_at__isnull=True)

    def troubled(self) -> "RunQuerySet":
        """Failed, or with records that need, or needed, a person."""
        bad = models.Q(dead__gt=0) | models.Q(parked__gt=0)
        return self.filter(bad | models.Q(state=RunState.FAILED))

    def active_of(self, processor_id: int) -> "Run | None":
        """The active run of a processor, None without one."""
        run: Run | None = self.active().filter(processor_id=processor_id).first()
        return run


class BatchQuerySet(models.QuerySet[Any]):
    """Questions about batches."""

    def leased(self) -> "BatchQuerySet":
        """In a worker's hands, alive or not."""
        return self.filter(state=BatchState.LEASED)

    @staticmethod
    def unheard(now: datetime) -> models.Q:
        """Of leased ones those without a sign of life for half a lease: two heartbeats.

        A commit is a sign as well. They are taken back when the lease has run out.
        """
        return models.Q(lease_until__lt=now + timedelta(seconds=settings.LEASE_SECONDS / 2))

    def expired(self, now: datetime) -> "BatchQuerySet":
        """Leased, but the lease has run out."""
        return self.leased().filter(lease_until__lt=now)

    def doubtful(self, now: datetime, longest: timedelta) -> "BatchQuerySet":
        """Leased, and the lease has run out or lasts longer than any: then the clock went back."""
        run_out = models.Q(lease_until__lt=now) | models.Q(lease_until__gt=now + longest)
        return self.leased().filter(run_out)

    def struck_once(self) -> "BatchQuerySet":
        """No heartbeat since an earlier look found the lease run out."""
        return self.filter(suspect_heartbeats=models.F("heartbeats"))

    def counters(self) -> dict[str, int]:
        """The sum of their counters by name."""
        sums = self.aggregate(**{f"sum_{name}": Sum(name) for name in COUNTERS})
        return {name: sums[f"sum_{name}"] or 0 for name in COUNTERS}


class RecordQuerySet(OfProcessorQuerySet):
    """Questions about records."""

    def claimable(self, now: datetime) -> "RecordQuerySet":
        """Ready, and their time has come."""
        return self.waiting().filter(available_at__lte=now)

    def waiting(self) -> "RecordQuerySet":
        """Ready, now or later."""
        return self.filter(waits=True)

    def in_their_indexes(self) -> "list[RecordQuerySet]":
        """Of those that wait the usual ones, and those that travel alone: each has an index.

        Asked for together, the database would read all records of the processor.
        """
        return [self.waiting().filter(alone=alone) for alone in (False, True)]

    def count_waiting(self, cap: int) -> int:
        """How many wait, counted up to `cap`."""
        return min(cap, sum(rows.count_to(cap) for rows in self.in_their_indexes()))

    def in_lanes(self) -> "RecordQuerySet":
        """Set aside because their key has used up a limit of its own."""
        return self.filter(lane__isnull=False, waits=True, alone=False)

    def tried(self) -> "RecordQuerySet":
        """Not for the first time: what a run that only retries may take."""
        return self.filter(maybe_seen=True)

    def retrying(self) -> "RecordQuerySet":
        """Ready for another try."""
        return self.waiting().tried()

    def needing_attention(self) -> "RecordQuerySet":
        """Dead letters and doubts."""
        return self.filter(failed_at__isnull=False)

    def untold(self) -> "RecordQuerySet":
        """Outcomes that a table elsewhere has not heard yet."""
        return self.filter(synced=False, state__in=RECORD_SETTLED)


class AttemptQuerySet(OfProcessorQuerySet):
    """Questions about attempts."""

    def failures(self) -> "AttemptQuerySet":
        """Without skips and successes that logged something."""
        return self.exclude(outcome__in=["done", "skipped"])


class BulkActQuerySet(models.QuerySet[Any]):
    """Questions about acts on many records."""

    def open(self) -> "BulkActQuerySet":
        """Not through yet."""
        return self.filter(ended_at__isnull=True)

    def stalled(self, before: datetime) -> "BulkActQuerySet":
        """Nobody has been at them since."""
        return self.open().filter(seen_at__lt=before)


class EventQuerySet(OfProcessorQuerySet):
    """Questions about the audit."""

    def of_operators(self, processor: Any) -> "EventQuerySet":
        """Moves of the processor itself, without changes to its definition."""
        return self.filter(processor=processor, subject="processor").exclude(from_state="")

    def standing(self, processors: ProcessorQuerySet) -> list[int]:
        """The ids of what brought each of these processors into its state."""
        newest = self.of_operators(OuterRef("pk")).order_by("-id").values("pk")[:1]
        found = processors.order_by().values_list(Subquery(newest), flat=True)
        return [pk for pk in found if pk is not None]

    def newest(self) -> "Event | None":
        """The last line, None where nothing happened yet."""
        event: Event | None = self.order_by("-id").first()
        return event


class VersionQuerySet(OfProcessorQuerySet):
    """Questions about versions of definitions."""

    def newest(self) -> "Version | None":
        """The last one, None where none is kept."""
        version: Version | None = self.order_by("-number").first()
        return version
