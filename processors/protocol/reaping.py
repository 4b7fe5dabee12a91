"""Take batches back from workers that are gone: T6.

A batch is taken on two strikes: its lease has run out, and since an earlier look that found it
run out there was no heartbeat. A worker that only slept may come back late; the new token then
refuses whatever it wants to write.
"""

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models import F
from django.utils.translation import gettext as _

from processors import failpoints, queues
from processors.clock import database_now
from processors.handlers.outcomes import Outcome
from processors.models import Attempt, Batch, Event, Run
from processors.models.door import Move
from processors.protocol import faults
from processors.protocol.cycles import MACHINE
from processors.protocol.leases import counts
from processors.protocol.working import handler_of, source_of
from processors.sources.base import Claimed, Ref, Settlement, Source
from processors.sources.dialect import is_broken
from processors.states import BatchState, CloseReason

logger = logging.getLogger(__name__)

MAX_CRASHES = 3
LONGEST_LEASES = 4  # a lease that ends later than so many from now was taken by another clock
SUSPECT_WAIT_SECONDS = 10  # times the number of its crashes, from the second on


@dataclass(frozen=True)
class Taking:
    """Why a batch is taken: what its records in hand are told, and what history says.

    `begun` are the records that were really begun, where their worker could still say so: else
    all that its marker names are under suspicion.
    """

    reason: CloseReason
    message: str
    how: Move
    error_type: str = "WorkerLost"
    begun: frozenset[Ref] | None = None
    token: str | None = None


def reap(now: datetime) -> int:
    """Take what has two strikes, then give first strikes; how many batches were taken.

    In this order, so that every batch keeps at least one whole gap between its strikes. One whose
    row somebody holds, perhaps a worker that sleeps within its commit, has its strike later.
    """
    struck = Batch.objects.doubtful(now, longest_lease()).struck_once()
    taken = 0
    for batch in struck.select_related("run"):
        taking = Taking(
            CloseReason.REAPED,
            _("Its worker (%(owner)s) stopped answering while this record was in hand.")
            % {"owner": batch.owner},
            Move(MACHINE, now, "no heartbeat"),
        )
        try:
            taken += take_back(batch, taking, taker(batch, now))
        except DatabaseError as error:  # one table's trouble must not keep the others' batches
            logger.warning("batch %s cannot be taken back: %s", batch.pk, error)
            faults.stop_broken(batch.run, error)
    with transaction.atomic():
        rows = Batch.objects.select_for_update(skip_locked=True, no_key=True)
        doubtful = rows.doubtful(now, longest_lease()).exclude(suspect_heartbeats=F("heartbeats"))
        ids = list(doubtful.values_list("pk", flat=True))
        Batch.objects.filter(pk__in=ids).update(suspect_heartbeats=F("heartbeats"))
    return taken


def taker(seen: Batch, now: datetime) -> Callable[[Batch], bool]:
    """The question, asked under lock, whether a batch is still as silent as it was seen."""

    def is_still_silent(batch: Batch) -> bool:
        is_good = now <= batch.lease_until <= now + longest_lease()
        return batch.heartbeats == seen.heartbeats and not is_good

    return is_still_silent


def take_back(
    batch: Batch, taking: Taking, may_take: Callable[[Batch], bool] = lambda _: True
) -> bool:
    """Close a batch for its worker: in-hand records under suspicion, the rest released.

    Whether it was taken. Its own transaction; locks run, then batch.
    """
    with transaction.atomic(durable=True):
        run = Run.objects.select_for_update(no_key=True).get(pk=batch.run_id)
        locked = Batch.objects.select_for_update(no_key=True).filter(pk=batch.pk).leased().first()
        if locked is None or not may_take(locked):
            return False
        if taking.token is not None and str(locked.token) != taking.token:
            return False
        close_for_worker(run, locked, taking)
        queues.wake_on_commit(run.pk, run.config["queue"])
        return True


def close_for_worker(run: Run, batch: Batch, taking: Taking) -> None:
    """The books of a batch whose worker cannot write them any more."""
    try:
        with transaction.atomic():
            tell_source(run, batch, taking)
    except DatabaseError as error:
        if taking.reason != CloseReason.FORCED or not is_broken(error):
            raise
        # An operator does not wait for a table that may never come back.
        nothing = Settlement(batch.pk, run.pk, batch.owner, taking.how.now)
        write_close(batch, nothing, len(batch.open_keys), taking)
    Event.write(
        run.processor,
        taking.reason,
        taking.how,
        batch=batch,
        from_state=BatchState.LEASED,
        to_state=BatchState.CLOSED,
    )
    logger.warning("batch %s of %s was %s: %s", batch.pk, run, taking.reason, taking.message)


def tell_source(run: Run, batch: Batch, taking: Taking) -> None:
    """Suspects and innocents, in the source and in the batch's counters."""
    source = source_of(run)
    suspects, innocent = split(batch, taking.begun)
    settlement = Settlement(batch.pk, run.pk, batch.owner, taking.how.now)
    settlement.others = [
        (claimed, verdict(run, claimed, len(suspects), taking))
        for claimed in source.in_hand(batch.pk, suspects)
    ]
    # What the source no longer knows as in hand (its owner removed it) counts as given back.
    gone = len(suspects) - len(settlement.others)
    write_close(batch, settlement, len(innocent) + gone, taking)
    failpoints.reach("reap.after_token")
    if settlement.others:
        source.suspect(settlement)
    failpoints.reach("reap.after_blame")
    if innocent:
        give_back(run, batch, source, innocent)


def split(batch: Batch, begun: frozenset[Ref] | None) -> tuple[list[Ref], list[Ref]]:
    """Refs that may have been begun, and those that were not."""
    refs: list[Ref] = list(batch.open_keys)
    if begun is None:
        return refs[: batch.in_hand], refs[batch.in_hand :]
    return [ref for ref in refs if ref in begun], [ref for ref in refs if ref not in begun]


def verdict(run: Run, claimed: Claimed, together: int, taking: Taking) -> Outcome:
    """What becomes of a record that was in hand."""
    handler = handler_of(run)
    crashes = claimed.crashes + 1
    outcome = Outcome("crashed", error_type=taking.error_type, message=taking.message)
    outcome.alone = outcome.is_crash = True
    if handler is not None and handler.effects == "unrepeatable":
        outcome.kind = "parked"
        outcome.message += _(
            " Nobody can know whether it took effect: find out, then retry or discard it."
        )
    elif crashes >= MAX_CRASHES:
        outcome.kind = "dead"
        outcome.message += _(" That was the %(crashes)srd time: it is not tried again.") % {
            "crashes": crashes
        }
    elif together > 1:
        outcome.message += _(" So were %(together)s others; each is tried alone next.") % {
            "together": together - 1
        }
    if crashes > 1:
        outcome.after = float(SUSPECT_WAIT_SECONDS * crashes)
    return outcome


def write_close(batch: Batch, settlement: Settlement, released: int, taking: Taking) -> None:
    """Close the batch under a new token, with counters that add up."""
    done, skipped, retried, dead, parked, crashed = counts(settlement)
    Batch.objects.filter(pk=batch.pk).update(
        token=uuid.uuid4(),
        state=BatchState.CLOSED,
        close_reason=taking.reason,
        closed_at=taking.how.now,
        remaining=[],
        in_hand=0,
        done=F("done") + done,
        skipped=F("skipped") + skipped,
        retried=F("retried") + retried,
        dead=F("dead") + dead,
        parked=F("parked") + parked,
        crashed=F("crashed") + crashed,
        released=F("released") + released,
    )


def give_back(run: Run, batch: Batch, source: Source, refs: list[Ref]) -> None:
    """Untouched records are new again; a foreign table is read from its beginning again."""
    source.release(batch.pk, refs)
    if source.has_position:
        Run.objects.filter(pk=run.pk).update(position=None)


def take_from_dead(owner: str, *, by_a_record: bool = True) -> None:
    """Take every batch of a process that is known to have ended.

    For its parent, which saw it end: there is no doubt to wait out. `by_a_record`: nothing else
    is known to have ended it, so that the circuit breaker counts it.
    """
    runs = set()
    for batch in Batch.objects.leased().filter(owner=owner):
        message = _("Its worker (%(owner)s) ended while this record was in hand.") % {
            "owner": owner
        }
        how = Move(MACHINE, database_now(), _("its process ended"))
        error_type = "WorkerDied" if by_a_record else "WorkerLost"
        take_back(batch, Taking(CloseReason.REAPED, message, how, error_type))
        runs.add(batch.run_id)
    if by_a_record:
        for run_id in runs | blame_for_silence(owner):
            faults.judge_crash(run_id)


def blame_for_silence(owner: str) -> set[int]:
    """Records whose worker fell silent, was given up, and then ended: they did it; their runs.

    So does C code that hangs and keeps the interpreter's lock: no heart beats meanwhile.
    """
    since = database_now() - 2 * longest_lease()
    silent = Attempt.objects.filter(at__gte=since, owner=owner, error_type="WorkerLost")
    runs = set(silent.values_list("run", flat=True))
    silent.update(error_type="WorkerDied")
    return runs


def longest_lease() -> timedelta:
    """A lease that ends later than this from now was taken by a clock that was ahead of ours."""
    return timedelta(seconds=LONGEST_LEASES * settings.LEASE_SECONDS)


def lease_gap() -> timedelta:
    """The time between two looks of the reaper: a quarter of the lease."""
    return timedelta(seconds=settings.LEASE_SECONDS / 4)
