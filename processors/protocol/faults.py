"""Stop a processor that does harm: the circuit breaker's memory, and the stop itself.

What happened lately is read back from batches and attempts, so that it outlives workers and
reaches over short cycles; `cycle/judging.py` adds what happens since.
"""

import logging
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import DatabaseError, transaction
from django.utils.translation import gettext as _

from processors import queues
from processors.breaker import Window
from processors.clock import database_now
from processors.handlers import registry
from processors.handlers.outcomes import NOT_NOW
from processors.models import Attempt, Batch, Processor, Run
from processors.models.door import Move
from processors.protocol import cycles
from processors.protocol.cycles import MACHINE
from processors.protocol.working import Unable
from processors.queues.identity import Identity
from processors.sources.dialect import first_line, is_broken
from processors.sources.inspection import inspect_source
from processors.states import COUNTERS, SETTLING_COUNTERS, RunState

logger = logging.getLogger(__name__)

# What is tried again comes a few records at a time, each time with a run of its own.
RUNS_LOOKED_AT = 200
RUNS_AT_ONCE = 20
BATCHES_LOOKED_AT = 200
REPEATS_PER_OUTCOME = 10  # failures that are looked at for each outcome of the window
REASON_LIMIT = 1_000  # characters
OUTCOMES = COUNTERS[1:-1]  # all but what was claimed and released

# Error types of attempts whose worker ended with the record in hand: by itself, as its parent
# saw, or at the record's time limit. A machine that is lost ("WorkerLost") blames nobody.
CRASHES = ("WorkerDied", "TimedOut")
SILENT = ("WorkerLost", "ForcedStop", "SourceBroken", NOT_NOW)


# What happened lately


def window_of(processor: Processor) -> Window:
    """The newest outcomes since the processor was started, changed or its fault cleared.

    Costs three queries; more where retries were short runs of their own.
    """
    window = Window(processor.breaker)
    handler = registry.find(processor.handler)
    answers_together = handler is not None and handler.batch
    batches = newest_batches(processor)
    failures = failures_of([batch["id"] for batch in batches])
    for batch in reversed(batches):
        crashed, failed = failures.get(batch["id"], ([], []))
        if answers_together:  # one of them may have failed them all
            failed = failed[:1]
        for succeeded, key in spread(batch["done"] + batch["skipped"], failed):
            window.succeeded(succeeded)
            if key is not None:
                window.failed(key)
        if crashed:  # however many were in hand: one of them ended the process
            window.crashed(min(crashed))
    return window


def newest_batches(processor: Processor) -> list[dict[str, Any]]:
    """As many as fill a window, newest first.

    Retries do not fill it: a record that fails again and again is in it once, and must not leave
    those that went well no room.
    """
    window = processor.breaker.window
    found, settled, outcomes = [], 0, 0
    for batch in islice(batches_backwards(processor), BATCHES_LOOKED_AT):
        found.append(batch)
        outcomes += sum(batch[name] for name in OUTCOMES)
        settled += sum(batch[name] for name in SETTLING_COUNTERS)
        if settled >= window or outcomes >= REPEATS_PER_OUTCOME * window:
            break
    return found


def batches_backwards(processor: Processor) -> Iterator[dict[str, Any]]:
    """Newest first, of a few runs at a time: mostly the newest alone are asked for."""
    runs = Run.objects.filter(processor=processor).order_by("-seq").values_list("pk", flat=True)
    rows = Batch.objects.order_by("-id")
    if processor.judged_since is not None:
        rows = rows.filter(opened_at__gte=processor.judged_since)
    newest = list(runs[:RUNS_LOOKED_AT])
    for n in range(0, len(newest), RUNS_AT_ONCE):
        some = rows.filter(run__in=newest[n : n + RUNS_AT_ONCE])
        yield from some.values("id", *OUTCOMES)[:BATCHES_LOOKED_AT]


def failures_of(batch_ids: list[int]) -> dict[int, tuple[list[str], list[str]]]:
    """By batch: the keys of records that ended their process, and of those that failed."""
    rows = Attempt.objects.filter(batch__in=batch_ids).exclude(outcome__in=["done", "skipped"])
    rows = rows.exclude(error_type__in=SILENT).order_by("id")
    found: dict[int, tuple[list[str], list[str]]] = {}
    for batch_id, key, error_type in rows.values_list("batch_id", "record__key", "error_type"):
        crashed, failed = found.setdefault(batch_id, ([], []))
        (crashed if error_type in CRASHES else failed).append(key)
    return found


def spread(successes: int, keys: Iterable[str]) -> Iterator[tuple[int, str | None]]:
    """A batch's outcomes in an order as good as any: failures evenly among the successes."""
    keys, left = list(keys), successes
    for place, key in enumerate(keys):
        share = left // (len(keys) - place + 1)
        left -= share
        yield share, key
    yield left, None


def judge_crash(run_id: int) -> None:
    """After a worker's process ended with records in hand: stop it if that was once too often."""
    run = Run.objects.select_related("processor").get(pk=run_id)
    if run.processor.breaker_on and (trouble := window_of(run.processor).trouble):
        trip(run, trouble)


# The stop


def trip(run: Run, trouble: str) -> None:
    """Stop the processor, for the breaker's own reason."""
    again = _("After its fault was cleared, ") if run.processor.on_trial else ""
    last = last_error(run)
    newest = _(" (the last: %(error)s)") % {"error": last} if last else ""
    fault(
        run.pk,
        _(
            "%(again)s%(trouble)s%(newest)s. See the failed attempts of run %(seq)s, mend "
            "the cause, then clear the fault and start."
        )
        % {
            "again": again,
            "trouble": trouble,
            "newest": newest,
            "seq": run.seq,
        },
    )


def last_error(run: Run) -> str:
    """The newest failure of a run in a few words, empty without one."""
    rows = Attempt.objects.filter(run=run).exclude(outcome__in=["done", "skipped"])
    newest = rows.exclude(error_type__in=SILENT).order_by("-id").first()
    if newest is None:
        return ""
    words = f"record {newest.record}: {newest.error_type}: {newest.message}"
    return words.split("\n", 1)[0].rstrip(".")[:300]


def fault(run_id: int, reason: str) -> bool:
    """Stop a run's processor; the run fails when nothing is in hand. Whether this call did it."""
    reason = reason[:REASON_LIMIT]
    with transaction.atomic(durable=True):
        owner = Run.objects.values_list("processor_id", flat=True).get(pk=run_id)
        processor = Processor.objects.select_for_update(no_key=True).get(pk=owner)
        run = Run.objects.select_for_update(no_key=True).get(pk=run_id)
        run.processor = processor
        if run.has_ended or run.fault_reason:
            return False
        how = Move(MACHINE, database_now(), reason)
        processor.fault(reason, how)
        run.fault(how)
    logger.error("processor %s was stopped by a fault: %s", processor.slug, reason)
    cycles.end_cycle(run_id)
    return True


def fault_idle(processor_id: int, reason: str) -> bool:
    """Stop a processor that has no run; whether this call did it."""
    reason = reason[:REASON_LIMIT]
    with transaction.atomic(durable=True):
        processor = Processor.objects.select_for_update(no_key=True).get(pk=processor_id)
        if processor.is_faulted or Run.objects.active_of(processor_id):
            return False
        processor.fault(reason, Move(MACHINE, database_now(), reason))
    logger.error("processor %s was stopped by a fault: %s", processor.slug, reason)
    return True


def pass_trial(processor_id: int) -> None:
    """A few records went well after a fault: on as usual."""
    rows = Processor.objects.filter(pk=processor_id, on_trial=True, fault_reason="")
    rows.update(on_trial=False)


# Workers that cannot


def judge_unable(run: Run, trouble: Unable) -> None:
    """A worker cannot treat this run: fault it unless another can.

    Of a missing handler live workers say themselves whether they have it. Whether another's
    environment is better, only its work can tell: it is given some time to begin a batch.
    """
    if run.state != RunState.RUNNING:
        return
    others = queues.other_workers(run.config["queue"], Identity.worker)
    name = trouble.missing_handler
    if name and any(name in (worker.handlers or ()) for worker in others or ()):
        return
    nobody_else = others is not None and not (
        [worker for worker in others if worker.handlers is None] if name else others
    )
    if not nobody_else and is_fresh(run):
        return
    fault(run.pk, str(trouble))


def is_fresh(run: Run) -> bool:
    """Whether the run began, or a worker took a batch of it, not long ago."""
    newest = Batch.objects.filter(run=run).order_by("-id").values_list("opened_at", flat=True)
    latest = newest.first() or run.started_at
    return database_now() - latest < timedelta(seconds=settings.LEASE_SECONDS / 2)


# Sources that are no longer as they were defined


def why_broken(definition: dict[str, Any], error: Exception) -> str:
    """What is wrong with a source, as its definition's check says it, else as its database does."""
    said = first_line(error).rstrip(".")
    try:
        with transaction.atomic():
            problems = inspect_source(definition).problems
    except DatabaseError:
        problems = {}
    sentences = [sentence for found in problems.values() for sentence in found]
    table, alias = definition.get("table"), definition.get("database")
    where = _("Its source, table '%(table)s' in '%(alias)s', cannot be used any more") % {
        "table": table,
        "alias": alias,
    }
    return _(
        "%(where)s: %(why)s Mend that, or correct the source on the processor's "
        "page; then clear the fault and start."
    ) % {"where": where, "why": " ".join(sentences) or said + "."}


def stop_broken(run: Run, error: Exception) -> bool:
    """Fault a run whose source is not as it was; whether this was such an error."""
    if not isinstance(error, DatabaseError) or not is_broken(error):
        return False
    if run.config["source"].get("kind") != "table":
        return False
    fault(run.pk, why_broken(run.config["source"], error))
    return True
