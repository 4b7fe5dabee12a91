"""Finish what a dead process or a cut connection left between our commit and another database's.

Entry point: `reconcile`, called by every tick that passes the reaper's gate. It may be called at
any time, by several at once, and looks at so many rows of each table and no more.
"""

import json
import logging
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial

from django.db.models import Exists, OuterRef, Q

from processors.models import Processor, Record, Run
from processors.protocol.working import source_of
from processors.sources import Source, SourceTrouble
from processors.sources.connecting import Unreachable, connect
from processors.sources.dialect import TROUBLE, can_pass

logger = logging.getLogger(__name__)

LOOKED_AT = 500  # untold outcomes of a processor, to find the runs they belong to
SWEPT_FOR = timedelta(days=1)  # after its end a run's workers may still wake up
SWEPT_RUNS = 3  # whose definitions may differ from today's

FAILURES = (*TROUBLE, Unreachable, SourceTrouble)


def reconcile(now: datetime) -> int:
    """Tell tables elsewhere what they have not heard, and free rows in hand of nobody.

    How many records and rows that were. A database that does not answer is asked once.
    """
    away: set[str] = set()
    done = 0
    for run, source in untold():
        done += ask(source, partial(source.reconcile, run.pk), away)
    for source in sweepable(now):
        done += ask(source, source.sweep, away)
    return done


def ask(source: Source, act: Callable[[], int], away: set[str]) -> int:
    """One act on a source; 0 where that failed. A database that is away is noted.

    A table that is gone, or was changed, says nothing of the others in its database.
    """
    if source.alias in away:
        return 0
    try:
        connect(source.alias)
        return act()
    except FAILURES as error:
        if isinstance(error, Unreachable) or (isinstance(error, TROUBLE) and can_pass(error)):
            away.add(source.alias)
        logger.warning("'%s' is told of outcomes later: %s", source.alias, error)
        return 0


def untold() -> Iterator[tuple[Run, Source]]:
    """Runs with outcomes that their tables have not heard; by the definition they ran with."""
    waiting = Record.objects.filter(processor=OuterRef("pk")).untold()
    for processor in Processor.objects.filter(Exists(waiting)):
        rows = Record.objects.filter(processor=processor).untold().order_by("id")
        batches = list(rows.values_list("batch_id", flat=True)[:LOOKED_AT])
        for run in Run.objects.filter(batches__in=set(batches)).distinct():
            yield run, source_of(run)


def sweepable(now: datetime) -> Iterator[Source]:
    """The sources of processors that worked lately, each definition once."""
    for processor in Processor.objects.filter(source_kind="table"):
        recent = Q(ended_at=None) | Q(ended_at__gt=now - SWEPT_FOR)
        seen = set()
        for run in Run.objects.filter(recent, processor=processor).order_by("-seq")[:SWEPT_RUNS]:
            definition = json.dumps(run.config["source"], sort_keys=True)
            if definition not in seen:
                seen.add(definition)
                yield source_of(run)
