"""I5, I6, I10, I11: runs follow each other one by one, in their time, with exact counters."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from django.db.models import Count, Max

from processors.ledger_check.asking import Asked, select
from processors.models import Batch, Event, Processor, Run
from processors.models.processor import TriggerKind
from processors.models.run import Trigger
from processors.querysets import RunQuerySet
from processors.states import COUNTERS

Rows = Iterable[tuple[str, str]]

SUMS = ", ".join(f"coalesce(sum(batch.{name}), 0) AS {name}" for name in COUNTERS)

# Ended runs whose counters are not the sums over their batches.
MISCOUNTED = f"""
SELECT run_id, slug, seq, {", ".join(f"run_{name}, {name}" for name in COUNTERS)}
  FROM (SELECT run.id AS run_id, processor.slug, run.seq,
               {", ".join(f"run.{name} AS run_{name}" for name in COUNTERS)}, {SUMS}
          FROM processors_run AS run
          JOIN processors_processor AS processor ON processor.id = run.processor_id
          LEFT JOIN processors_batch AS batch ON batch.run_id = run.id
         WHERE run.ended_at >= %s
         GROUP BY run.id, processor.slug) AS sums
 WHERE {" OR ".join(f"run_{name} <> {name}" for name in COUNTERS)}
 ORDER BY run_id
"""  # noqa: S608 - from our own names only

# Runs of a processor between which a number is missing.
GAPS = """
SELECT slug, seq, before
  FROM (SELECT processor.slug, run.seq,
               lag(run.seq) OVER (PARTITION BY run.processor_id ORDER BY run.seq) AS before
          FROM processors_run AS run
          JOIN processors_processor AS processor ON processor.id = run.processor_id
         WHERE run.started_at >= %s) AS neighbours
 WHERE seq > before + 1
 ORDER BY slug, seq
"""


def run_counters_are_sums(asked: Asked) -> Rows:
    """I5: an ended run counts what its batches count."""
    for _run_id, slug, seq, *numbers in select(MISCOUNTED, [asked.since_moment]):
        pairs = zip(COUNTERS, numbers[0::2], numbers[1::2], strict=True)
        said = [
            f"{count} {name} but its batches {total}"
            for name, count, total in pairs
            if count != total
        ]
        yield f"run {seq} of {slug}", f"counts {', '.join(said)}"


def one_run_is_active(_: Asked) -> Rows:
    """I6: a processor has at most one run that has not ended."""
    active = Run.objects.active().values("processor__slug").annotate(number=Count("pk"))
    for row in active.filter(number__gt=1).order_by("processor__slug"):
        yield f"processor {row['processor__slug']}", f"has {row['number']} active runs"


def numbers_repeat_not(asked: Asked) -> Rows:
    """I6: a processor has a run of one number once."""
    runs = started_since(asked).values("processor__slug", "seq").annotate(number=Count("pk"))
    for row in runs.filter(number__gt=1).order_by("processor__slug", "seq"):
        yield (
            f"run {row['seq']} of {row['processor__slug']}",
            f"is there {row['number']} times",
        )


def numbers_have_no_gap(asked: Asked) -> Rows:
    """I6: runs are numbered without a gap.

    Retention keeps a run with dead letters and removes its neighbours, but none of the last day.
    """
    for slug, seq, before in select(GAPS, [asked.whole_moment]):
        yield f"run {seq} of {slug}", f"follows run {before}: those between are missing"


def last_number_is_known(_: Asked) -> Rows:
    """I6: a processor remembers the number of its last run."""
    for processor in Processor.objects.annotate(top=Max("runs__seq")).order_by("slug"):
        if processor.last_seq != (processor.top or 0):
            yield (
                f"processor {processor.slug}",
                f"remembers {processor.last_seq} runs, its last is {processor.top or 'missing'}",
            )


def ended_runs_hold_nothing(_: Asked) -> Rows:
    """I4: a run that has ended has no open batch."""
    left = Batch.objects.leased().filter(run__ended_at__isnull=False)
    for batch in left.select_related("run__processor").order_by("pk"):
        run = batch.run
        yield (
            f"batch {batch.pk}",
            f"is open, but run {run.seq} of {run.processor.slug} has ended",
        )


def slots_are_used_once(asked: Asked) -> Rows:
    """I10: a set time has one run."""
    runs = started_since(asked).filter(slot__isnull=False).values("processor__slug", "slot")
    for row in runs.annotate(number=Count("pk")).filter(number__gt=1).order_by("slot"):
        yield (
            f"processor {row['processor__slug']}",
            f"has {row['number']} runs for {row['slot']:%Y-%m-%d %H:%M} UTC",
        )


def started_since(asked: Asked) -> RunQuerySet:
    """Runs that are looked at."""
    runs: RunQuerySet = Run.objects.all()
    return runs.filter(started_at__gte=asked.since) if asked.since else runs


def pauses_are_kept(asked: Asked) -> Rows:
    """I11: a run that was due began at least the pause after the last one's end.

    Not where somebody changed, started or resumed the processor in between: then it began at
    once, or after another pause than today's.
    """
    since = asked.since or asked.whole_since
    for processor in Processor.objects.filter(trigger_kind=TriggerKind.INTERVAL):
        first = max(since, processor.changed_at)
        runs = Run.objects.filter(processor=processor, started_at__gte=first).order_by("seq")
        for before, run in pairwise(runs.defer("config").iterator()):
            if run.seq == before.seq + 1 and began_early(processor, before.ended_at, run):
                yield (
                    f"run {run.seq} of {processor.slug}",
                    f"began less than {processor.pause_seconds} s after run {before.seq}",
                )


def began_early(processor: Processor, ended_at: datetime | None, run: Run) -> bool:
    """Whether a due run did not wait for the pause, without anybody's doing."""
    if ended_at is None or run.trigger != Trigger.SCHEDULE:
        return False
    if run.started_at >= ended_at + timedelta(seconds=processor.pause_seconds):
        return False
    acts = Event.objects.filter(processor=processor, subject="processor")
    return not acts.filter(at__gte=ended_at, at__lte=run.started_at).exists()


# At rest: everything that was due is through


def nothing_is_active(_: Asked) -> Rows:
    """I15, at rest: no run goes on."""
    for run in Run.objects.active().select_related("processor").order_by("pk"):
        yield f"run {run.seq} of {run.processor.slug}", f"is {run.state}"


def nothing_waits(asked: Asked) -> Iterator[tuple[str, str]]:
    """I1, at rest: no record of a started processor is due."""
    started = Processor.objects.filter(state="started", fault_reason="")
    for processor in started.order_by("slug"):
        number = processor.records.claimable(asked.now).count()
        if number:
            yield f"processor {processor.slug}", f"has {number} records that are due"
