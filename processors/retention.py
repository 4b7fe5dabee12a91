"""How long history is kept: `prune` for what is old, `purge` for runs that a person chose."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Case, F, Max, Q, QuerySet, When
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from processors.acts import Act, Refused, log
from processors.clock import database_now
from processors.models import Attempt, Batch, BulkAct, Event, Processor, Record, Run, Version
from processors.states import RECORD_FINAL

PRUNE_CHUNK = 1_000  # rows that are removed in one transaction
LOOKED_AT_ONCE = 10_000  # records
PURGED_AT_ONCE = 50_000  # rows that a request deletes
YOUNGEST = timedelta(days=1)
DELETE_RUNS = "processors.delete_run"


@dataclass(frozen=True)
class Retention:
    """How long history is kept, in days; None for ever. Dead letters are never pruned.

    Of each processor the newest `versions` of its definition stay whatever their age; older ones
    go with the audit lines of their time.
    """

    runs_days: int | None = 90
    records_days: int | None = 30
    events_days: int | None = 365
    versions: int = 50


def prune(retention: Retention, *, now: datetime, dry_run: bool = False) -> dict[str, int]:
    """Remove old history in small steps; how many rows of each kind.

    Dead and parked records, whatever still waits, and the last run of every processor stay. Costs
    what is old, not what is there.
    """
    removed = dict.fromkeys(
        ("attempts", "batches", "bulk_acts", "events", "records", "runs", "versions"), 0
    )
    if retention.records_days is not None:
        before = now - timedelta(days=retention.records_days)
        removed["records"] = prune_records(before, dry_run=dry_run)
    if retention.runs_days is not None:
        before = now - timedelta(days=retention.runs_days)
        prune_runs(before, removed, dry_run=dry_run)
        removed["bulk_acts"] = drop(BulkAct.objects.filter(ended_at__lt=before), dry_run=dry_run)
    if retention.events_days is not None:
        before = now - timedelta(days=retention.events_days)
        removed["events"] += prune_events(before, dry_run=dry_run)
        removed["versions"] = prune_versions(retention.versions, before, dry_run=dry_run)
    return removed


def prune_records(before: datetime, *, dry_run: bool) -> int:
    """Finished records that were settled before; how many, or how many there would be.

    Walks over them in the order in which they were made, because no index may know when a record
    was settled, and stops where all are too young to have been settled before.
    """
    removed, position = 0, 0
    prunable = Q(state__in=sorted(RECORD_FINAL - {"dead"}), settled_at__lt=before, synced=True)
    every = Record.objects.order_by("pk").annotate(is_prunable=Case(When(prunable, then=True)))
    columns = every.values_list("pk", "created_at", "is_prunable")
    while window := list(columns.filter(pk__gt=position)[:LOOKED_AT_ONCE]):
        position = window[-1][0]
        found = [pk for pk, _created_at, is_prunable in window if is_prunable]
        if not dry_run:
            for at in range(0, len(found), PRUNE_CHUNK):
                # Asked again: somebody may have had it handled anew meanwhile.
                rows = Record.objects.filter(prunable, pk__in=found[at : at + PRUNE_CHUNK])
                rows.only("pk").delete()
        removed += len(found)
        if all(created_at >= before for _pk, created_at, _is_prunable in window):
            break
    return removed


def prune_runs(before: datetime, removed: dict[str, int], *, dry_run: bool) -> None:
    """Runs that ended long ago, with what hangs on them; never a processor's last."""
    for ids in old_runs(before):
        with transaction.atomic():  # a run without its batches would be a broken book
            for name, rows in hanging_on(ids):
                removed[name] += rows.count() if dry_run else rows.only("pk").delete()[0]


def old_runs(before: datetime) -> Iterator[list[int]]:
    """Ids of runs that may go, a chunk at a time.

    In the order of their index, each chunk from where the last one ended: what stays is not
    looked at again.
    """
    rows = Run.objects.filter(started_at__lt=before, ended_at__lt=before)
    rows = rows.exclude(seq=F("processor__last_seq")).order_by("started_at", "pk")
    left = rows
    while found := list(left.values_list("pk", "started_at")[:PRUNE_CHUNK]):
        pk, started_at = found[-1]
        later = Q(started_at__gt=started_at) | Q(started_at=started_at, pk__gt=pk)
        left = rows.filter(later, started_at__gte=started_at)
        ids = {pk for pk, _started_at in found}
        yield sorted(ids - needed(ids))


def needed(runs: Collection[int]) -> set[int]:
    """Of these those that stay: a failed record is explained by one, or a table elsewhere is still
    to be told of its outcomes, as its definition said."""
    explaining = Attempt.objects.filter(run__in=runs, record__failed_at__isnull=False)
    untold = Record.objects.untold().filter(batch__run__in=runs)
    return {
        *explaining.values_list("run", flat=True),
        *untold.values_list("batch__run", flat=True),
    }


def hanging_on(runs: list[int]) -> "list[tuple[str, QuerySet[Any]]]":
    """What goes with these runs, in the order in which it can go; the runs themselves last."""
    return [
        ("attempts", Attempt.objects.filter(run__in=runs)),
        ("events", Event.objects.filter(run__in=runs)),
        ("events", Event.objects.filter(batch__run__in=runs)),
        ("batches", Batch.objects.filter(run__in=runs)),
        ("runs", Run.objects.filter(pk__in=runs)),
    ]


def prune_events(before: datetime, *, dry_run: bool) -> int:
    """Lines of the audit from before; how many.

    What brought a processor into its state stays: who paused it and why is told as long as it is.
    """
    old = Event.objects.filter(at__lt=before)
    old = old.exclude(pk__in=Event.objects.standing(Processor.objects.all()))
    if dry_run:
        return old.count()
    total = 0
    while ids := list(old.order_by("at").values_list("pk", flat=True)[:PRUNE_CHUNK]):
        total += old.filter(pk__in=ids).delete()[0]
    return total


def prune_versions(kept: int, before: datetime, *, dry_run: bool) -> int:
    """Versions from before that are not among the newest `kept` of their processor; how many."""
    counted = Version.objects.order_by().values("processor").annotate(newest=Max("number"))
    total = 0
    for one in counted:
        old = Version.objects.filter(processor=one["processor"], number__lte=one["newest"] - kept)
        total += drop(old.filter(at__lt=before), dry_run=dry_run)
    return total


def drop(rows: "QuerySet[Any]", *, dry_run: bool) -> int:
    """Delete few rows, on which nothing hangs; how many."""
    return rows.count() if dry_run else rows.delete()[0]


# By hand


@dataclass(frozen=True)
class Purge:
    """What goes if these runs are deleted now: how many rows of each kind."""

    runs: list[int]
    counts: dict[str, int]

    @property
    def is_too_much(self) -> bool:
        """Whether it is more than a request should delete."""
        return sum(self.counts.values()) > PURGED_AT_ONCE


def plan_purge(ids: Iterable[int], act: Act) -> Purge:
    """Of these runs those that may go: ended a day ago, not the last of their processor, not
    needed. Raises PermissionDenied."""
    act.require(DELETE_RUNS)
    before = database_now() - YOUNGEST  # younger ones are what `check_ledger` counts on
    rows = Run.objects.filter(pk__in=list(ids), ended_at__lt=before)
    rows = rows.exclude(seq=F("processor__last_seq"))
    if not act.trusted and act.actor.user is not None:
        rows = rows.visible_to(act.actor.user)
    chosen = set(rows.values_list("pk", flat=True))
    runs = sorted(chosen - needed(chosen))
    counts: Counter[str] = Counter()
    for name, hanging in hanging_on(runs):
        counts[name] += hanging.order_by()[: PURGED_AT_ONCE + 1].count()
    return Purge(runs, dict(counts))


def purge(ids: Iterable[int], act: Act) -> Purge:
    """Delete what a plan says, for good; each processor's history tells who did. Raises Refused."""
    with transaction.atomic():
        plan = plan_purge(ids, act)
        if plan.is_too_much:
            raise Refused(
                _("Nothing was deleted: on these runs hang more than %(most)s rows. Choose fewer.")
                % {"most": f"{PURGED_AT_ONCE:,}"}
            )
        of_each = Counter(Run.objects.filter(pk__in=plan.runs).values_list("processor", flat=True))
        for _name, hanging in hanging_on(plan.runs):
            hanging.only("pk").delete()
        for processor in Processor.objects.filter(pk__in=of_each):
            tell_purge(processor, of_each[processor.pk], act)
    return plan


def tell_purge(processor: Processor, count: int, act: Act) -> None:
    """A line of the audit, and one of Django's log."""
    told = ngettext("%(count)s run deleted", "%(count)s runs deleted", count) % {"count": count}
    reason = f"{told}: {act.reason}" if act.reason else told
    Event.write(processor, "purge", replace(act, reason=reason, operation=None).at(database_now()))
    log(act, processor, reason)
