"""What lists and pages show beside the rows themselves: read for all of them at once."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any, NamedTuple

from django.conf import settings
from django.core.cache import cache
from django.db.models import Count, Min, Q, Sum
from django.http import HttpRequest
from django.utils.translation import gettext as _

from processors import backlog, explain, queues, spread
from processors.admin import asking
from processors.admin.columns import BACKLOG_CAP, NOT_COUNTED, UNKNOWN
from processors.circumstances import Known
from processors.explain import LATE
from processors.in_hand import LAST_END, Hands, hands, held_figures
from processors.models import Batch, Processor, Run
from processors.protocol import allowances
from processors.queues import Crew, QueueState, queue_states
from processors.states import COUNTERS, CloseReason, RunState

logger = logging.getLogger(__name__)

STRIP = 20  # runs shown beside a processor
FRESH_SECONDS = 2  # what costs something is not asked again for every poll
REMEMBERED_SECONDS = 60
COUNTED_AT_ONCE = 2
COUNTED_TOGETHER = 20  # inboxes, in one query
FEW = 5_000  # records: where more wait, an inbox is counted by itself
SAMPLE = 1_000  # outcomes that a foreign table was not told of are counted up to here


class Counted(NamedTuple):
    """How many records waited, and when; `trouble` is why their table could not be read."""

    records: int
    at: float = 0.0
    trouble: str = ""


TAKEN = Q(close_reason__in=[CloseReason.REAPED, CloseReason.FORCED])  # from a worker's hands
NEVER = Counted(NOT_COUNTED)


def with_counters(runs: Iterable[Any], request: HttpRequest) -> None:
    """Give active runs the sum of their batches, and who holds what; one query.

    `hands` tells which batches workers hold, `in_hand` how many, `is_silent` whether nobody works;
    `rests` whether everything is paused, `opened_at` when a worker first took records, `taken` how
    many batches were taken back.
    """
    active = {run.pk: run for run in runs if not run.has_ended}
    if not active:
        return
    rests = asking.pause_of_all(request) is not None
    for run in active.values():
        run.hands, run.in_hand, run.is_silent, run.rests = Hands(), 0, False, rests
        run.opened_at, run.taken = None, 0
    rows = Batch.objects.filter(run__in=active).order_by().values("run")
    figures = held_figures(asking.now(request))
    taken = Count("id", filter=TAKEN)
    held = rows.annotate(**figures, ended=LAST_END, opened=Min("opened_at"), taken=taken)
    for row in held.annotate(**{f"sum_{name}": Sum(name) for name in COUNTERS}):
        run = active[row["run"]]
        run.hands = hands(row["leased"], row["overdue"], row["until"], row["ended"])
        run.in_hand, run.is_silent = run.hands.leased, run.hands.is_silent
        run.opened_at, run.taken = row["opened"], row["taken"]
        for name in COUNTERS:
            setattr(run, name, row[f"sum_{name}"] or 0)


def active_runs(processors: Iterable[Processor], request: HttpRequest) -> dict[int, Run]:
    """The active run of each processor that has one, with its counters."""
    known = {processor.pk: processor for processor in processors}
    runs = list(Run.objects.active().filter(processor__in=known))
    for run in runs:
        run.processor = known[run.processor_id]
    with_counters(runs, request)
    return {run.processor_id: run for run in runs}


def last_runs(processors: Iterable[Processor], count: int = STRIP) -> dict[int, list[Run]]:
    """The newest runs of each processor, the oldest of them first.

    Found by their numbers, each processor's by a range of its own: ranking all runs would read
    all of them, and so would a join on numbers, of which the database can't tell how few it finds.
    """
    ranges = [Q(processor=one.pk, seq__gt=one.last_seq - count) for one in processors]
    if not ranges:
        return {}
    found: dict[int, list[Run]] = defaultdict(list)
    rows = Run.objects.filter(reduce(or_, ranges)).defer("config", "reason")
    for run in rows.order_by("processor_id", "seq"):
        found[run.processor_id].append(run)
    return found


def usual_seconds(processors: Iterable[Processor]) -> dict[int, float]:
    """The median length of the last runs of each processor that ended by themselves."""
    found = {pk: usual_of(runs) for pk, runs in last_runs(processors).items()}
    return {pk: seconds for pk, seconds in found.items() if seconds is not None}


def usual_of(runs: Iterable[Run]) -> float | None:
    """The median length of those that ended by themselves; None of too few."""
    return spread.usual([seconds_of(run) for run in runs if run.state == RunState.FINISHED])


def seconds_of(run: Run) -> float:
    """How long an ended run took."""
    return (run.ended_at - run.started_at).total_seconds() if run.ended_at else 0.0


def backlogs(processors: Iterable[Processor], now: datetime) -> dict[int, int]:
    """How many records wait, up to BACKLOG_CAP each; NOT_COUNTED or UNKNOWN where nobody knows.

    A page counts a few that are not fresh any more, the longest waiting first, and shows what is
    remembered of the others: a list of fifty must not ask fifty tables with every poll. Inboxes of
    which nothing is remembered are counted together, as far as that is quick.
    """
    listed = list(processors)
    keys = {one.pk: backlog_key(one) for one in listed}
    kept: dict[str, Counted] = cache.get_many(keys.values())
    new = [one for one in listed if keys[one.pk] not in kept and one.source_kind == "inbox"]
    if len(new) > COUNTED_AT_ONCE:
        counted = backlog.of_inboxes(new[:COUNTED_TOGETHER], FEW + 1)
        few = {pk: records for pk, records in counted.items() if records <= FEW}
        found = {keys[pk]: Counted(records, now.timestamp()) for pk, records in few.items()}
        cache.set_many(found, REMEMBERED_SECONDS)
        kept |= found
    old = now.timestamp() - FRESH_SECONDS
    stale = sorted(
        (kept.get(keys[one.pk], NEVER).at, at)
        for at, one in enumerate(listed)
        if kept.get(keys[one.pk], NEVER).at < old
    )
    for _counted_at, at in stale[:COUNTED_AT_ONCE]:
        one = listed[at]
        asked = backlog.count(one, BACKLOG_CAP)
        records = UNKNOWN if asked.records is None else asked.records
        kept[keys[one.pk]] = Counted(records, now.timestamp(), asked.trouble)
        cache.set(keys[one.pk], kept[keys[one.pk]], REMEMBERED_SECONDS)
    return {pk: kept.get(key, NEVER).records for pk, key in keys.items()}


def backlog_key(processor: Processor) -> str:
    """Where its backlog is remembered, as long as its definition stays as it is."""
    return f"backlog:{processor.pk}:{processor.changed_at.timestamp()}"


def source_trouble(processor: Processor) -> str:
    """Why its table could not be read when its backlog was counted last; empty where it could."""
    found: Counted = cache.get(backlog_key(processor), NEVER)
    return found.trouble


def whys(
    processors: Iterable[Processor], active: Iterable[Run] | None, request: HttpRequest
) -> dict[int, str]:
    """Why each does what it does now; `active`: their active runs, from `with_counters`."""
    listed = list(processors)
    keys = {one.pk: backlog_key(one) for one in listed}
    counted: dict[str, Counted] = cache.get_many(keys.values())
    known = Known(
        lambda: asking.pause_of_all(request),
        None if active is None else list(active),
        {pk: counted.get(key, NEVER).trouble for pk, key in keys.items()},
    )
    return explain.whys(listed, asking.now(request), queue, known)


def with_rests(processors: Iterable[Any], request: HttpRequest) -> None:
    """Give processors `rests`: whether everything is paused, whatever their own time says."""
    rests = asking.pause_of_all(request) is not None
    for processor in processors:
        processor.rests = rests


def telling(processor: Any, why: str, now: datetime) -> str:
    """The sentence, where it says more than what stands beside it on a list anyhow."""
    run = processor.current_run
    if run is not None:
        goes_on = run.state == RunState.RUNNING and run.in_hand and not run.hands.overdue
        return "" if goes_on else why
    if processor.is_faulted or not processor.is_started:
        return why
    due = processor.next_due_at
    is_late = due is not None and due <= now - LATE
    says_more = is_late or allowances.closed(processor, now) or source_trouble(processor)
    return why if says_more else ""


def trouble(names: Iterable[str]) -> list[str]:
    """What keeps all work from going on, as sentences for the top of a page."""
    used = list(names)
    states = listening(used or settings.QUEUES[:1])
    if any(state.workers is None for state in states):
        return [_("Redis does not answer: the pages show what is saved, and no worker is woken.")]
    if any(state.is_suspended for state in states):
        return [_("All workers are suspended: they take no job until they are resumed.")]
    return [
        _("No worker listens to queue '%(queue)s': start one with manage.py rqworker %(queue)s.")
        % {"queue": state.name}
        for state in states
        if not state.workers and state.name in used
    ]


def listening(names: Iterable[str]) -> list[QueueState]:
    """The queues, asked one by one until Redis turns out not to answer."""
    found: list[QueueState] = []
    for name in names:
        found.append(queue(name))
        if found[-1].workers is None:
            break
    return found


def queue(name: str) -> QueueState:
    """A queue, up to FRESH_SECONDS old: many tabs poll, and a hung Redis costs a second each."""
    key = f"queue:{name}"
    found: QueueState | None = cache.get(key)
    if found is None:
        [found] = queue_states([name])
        cache.set(key, found, FRESH_SECONDS)
    return found


def crew() -> Crew | None:
    """How many workers there are, up to FRESH_SECONDS old; None where Redis does not answer."""
    return cache.get_or_set("crew", queues.crew, FRESH_SECONDS)
