"""A worker's shift on one run: batch after batch until nothing is left or it must leave."""

import logging
import threading
import time

from django.db import DatabaseError, connection, connections, transaction

from processors import queues
from processors.clock import database_now
from processors.cycle import readiness
from processors.cycle.assignment import Assignment
from processors.cycle.commits import NARROWED, Commits, write_inside
from processors.cycle.judging import Judge
from processors.cycle.manners import leave_if_copy, watch_forks
from processors.cycle.pace import Pace
from processors.cycle.patience import PASSING, OutOfReach, empty_handed, patiently
from processors.cycle.settling import members, so_far
from processors.cycle.stretches import way_for
from processors.cycle.treatment import RetryPolicy, Treatment
from processors.cycle.watch import Desk, watch_over
from processors.cycle.way import Tools, Way
from processors.handlers.context import Surroundings, key_prefix
from processors.models import Batch
from processors.models.door import Move
from processors.protocol import cycles, faults, gate, leases, twins
from processors.protocol.allowances import SHORT_WAIT, Held
from processors.protocol.leases import LeaseLost
from processors.protocol.reaping import Taking, take_back
from processors.protocol.working import Equipment, Unable, equip, source_of
from processors.queues.identity import own_name
from processors.queues.job import TIME_BUDGET_SECONDS
from processors.sources.base import Ref
from processors.sources.dialect import TROUBLE, can_pass, first_line
from processors.states import CloseReason, RunState

logger = logging.getLogger(__name__)

LEAVE_WITHIN_SECONDS = 0.1
LOOK_SECONDS = 0.01  # how often to look whether the run was stopped, at most once per record


class Leaving:
    """Whether this process was asked to leave."""

    asked = False


def leave() -> None:
    """Finish the record in hand, give back the rest, end the shift. Safe in a signal handler."""
    Leaving.asked = True


def work(run_id: int) -> None:
    """Treat records of a run until nothing is left for us; see `Shift`.

    A database that is away for less than a lease costs no wake-up; away for longer, a line: with
    records in hand as GivenUp, so that the worker's parent takes them back.
    """
    try:
        shift = empty_handed(lambda: patiently(lambda: open_shift(run_id)))
        if shift is not None:
            shift.work()
    except OutOfReach as error:
        logger.warning("run %s is left to a later wake-up: %s", run_id, error)
    except PASSING as error:
        if not can_pass(error):
            raise
        raise queues.GivenUp(
            f"the database was in trouble for a whole lease; what was in hand of run {run_id} "
            f"is taken back: {first_line(error)}"
        ) from error


def open_shift(run_id: int) -> "Shift | None":
    """All that a shift needs; None where the run needs none, or not from this worker.

    A run that has ended or is unknown needs nothing: its processor may be due again, though.
    """
    if (begun := readiness.take_up(run_id)) is not None:
        shift = Shift(begun.assignment, begun.equipment)
        shift.commits.claims.given = begun.lease
        return shift
    assignment = Assignment.find(run_id)
    if assignment is None or twins.is_barred(assignment.home):
        return None
    run = assignment.run
    if run.has_ended:
        cycles.begin_due(run.processor_id)
        return None
    try:
        equipment = equip(run)
    except Unable as trouble:
        logger.warning("run %s is not for this worker: %s", run.pk, trouble)
        faults.judge_unable(run, trouble)
        return None
    return Shift(assignment, equipment)


class Shift:
    """One worker, one run, up to the time budget."""

    def __init__(self, assignment: Assignment, equipment: Equipment) -> None:
        run, handler = assignment.run, equipment.handler
        self.run = run
        self.desk = Desk()
        self.pace = Pace(one_by_one=handler.effects == "unrepeatable", whole=handler.batch)
        watch_forks()
        self.judge = Judge(run)
        self.commits = Commits(run, source_of(run), own_name(), self.pace, self.judge)
        self.tools = Tools(
            self._treatment(assignment, equipment),
            self.commits,
            self.pace,
            self.desk,
            self.must_leave,
            self.wants_more,
        )
        self._ends_at = time.monotonic() + TIME_BUDGET_SECONDS
        self._look_at = 0.0
        self._closed = False
        self._thread = threading.get_ident()

    def _treatment(self, assignment: Assignment, equipment: Equipment) -> Treatment:
        surroundings = Surroundings(
            run_id=self.run.pk,
            options=equipment.options,
            key_prefix=key_prefix(assignment.identity, self.run.processor_id),
            time_limit_seconds=assignment.time_limit_seconds,
            should_stop=self.should_stop,
        )
        return Treatment(equipment.handler, surroundings, RetryPolicy.of(self.run.config))

    def work(self) -> None:
        """Claim, treat, commit, until there is nothing left for this worker.

        A source that is no longer as it was defined stops the processor.
        """
        try:
            self._work()
        except DatabaseError as error:
            if not faults.stop_broken(self.run, error):
                raise
            cycles.end_cycle(self.run.pk)

    def _work(self) -> None:
        while self._rounds():
            continue

    def _rounds(self) -> bool:
        """Batches until nothing may be claimed; whether more may be by now."""
        while self._round():
            continue
        if not self.judge.has_tripped and (Leaving.asked or self._is_spent()):
            queues.wake(self.run.pk, self.run.config["queue"])
            return False
        if empty_handed(lambda: patiently(lambda: cycles.end_cycle(self.run.pk))):
            logger.info("run %s has ended", self.run.pk)
            return False
        if self.commits.claims.held is not None:
            return self._waited_for(self.commits.claims.held)
        return self._round()  # something may have become due between the last claim and the end

    def _waited_for(self, held: Held) -> bool:
        """Whether it was a short wait; a long one is for the tick, which wakes us in time."""
        wait = held.until - database_now()
        if wait > SHORT_WAIT:
            return False
        ends_at = time.monotonic() + wait.total_seconds()
        while not Leaving.asked and (left := ends_at - time.monotonic()) > 0:
            time.sleep(min(left, LEAVE_WITHIN_SECONDS))
        return True

    def _round(self) -> bool:
        """Batches until a claim finds nothing; whether there was any, and more is welcome."""
        try:
            lease = empty_handed(self.commits.claims.first)
        except LeaseLost as error:  # a look at its rows elsewhere took too long
            self._note_lost(error)
            return False
        if lease is None:
            return False
        self.desk.lease = lease
        watch = watch_over(self.desk, self._save_from_hanging)
        watch.start()
        way = way_for(self.tools, lease.limits.concurrency)
        try:
            self._batches(way, lease)
        finally:
            self.desk.lease = None
            way.close()
            watch.close()
        return self.wants_more()

    def _batches(self, way: Way, lease: leases.Lease) -> None:
        following: leases.Lease | None = lease
        try:
            while following is not None:
                # The claim has just seen the run's state.
                self._look_at = time.monotonic() + LOOK_SECONDS
                following = way.batch(following)
        except LeaseLost as error:
            self._note_lost(error)
        except DatabaseError as error:
            if faults.stop_broken(self.run, error) and self.desk.lease is not None:
                self._abandon(self.desk.lease, error)
            raise

    def _note_lost(self, error: LeaseLost) -> None:
        """A process that was given up for dead starts anew; see `Desk.lost`."""
        logger.warning("run %s: %s; what was not written is void", self.run.pk, error)
        self._ends_at = 0.0

    def _abandon(self, lease: leases.Lease, error: DatabaseError) -> None:
        """Give a batch back whose outcomes the source does not take; what was begun is in doubt."""
        message = (
            f"Its outcome could not be written, the source is not as it was: {first_line(error)}"
        )
        how = Move(cycles.MACHINE, database_now(), "the source is not as it was")
        taking = Taking(CloseReason.REAPED, message, how, "SourceBroken", token=lease.token)
        try:
            take_back(Batch.objects.get(pk=lease.batch_id), taking)
        except DatabaseError as trouble:
            logger.warning("batch %s is left to the reaper: %s", lease.batch_id, trouble)

    def _is_spent(self) -> bool:
        return time.monotonic() >= self._ends_at

    def wants_more(self) -> bool:
        """Whether another batch is welcome."""
        if self.judge.has_tripped:
            return False
        return not (Leaving.asked or self._closed or self._is_spent())

    def must_leave(self) -> bool:
        """Whether to give back what was not begun. Asked between records; mostly costs nothing.

        Raises LeaseLost when the batch in hand was given to somebody else.
        """
        leave_if_copy()
        if self.desk.lost:
            raise LeaseLost("the heartbeat found the lease lost")
        if Leaving.asked or self._closed or self.judge.has_tripped:
            return True
        lease = self.desk.lease
        if lease is not None and lease.ends_at is not None and time.monotonic() >= lease.ends_at:
            return True
        self._look()
        return self._closed

    def should_stop(self) -> bool:
        """What a handler is told amid a record: beside us in a thread, by what we saw last."""
        if threading.get_ident() == self._thread:
            self._look()
        return Leaving.asked or self._closed or self.desk.lost

    def _look(self) -> None:
        if time.monotonic() >= self._look_at:
            self._closed = self._closed or not self._is_running()
            self._look_at = time.monotonic() + LOOK_SECONDS

    def _is_running(self) -> bool:
        try:
            return gate.state_of(self.run.pk) == RunState.RUNNING
        except PASSING:
            if connection.in_atomic_block:
                raise  # the transaction is gone: its owner begins it anew
            # Not knowing is no reason to leave: the commit waits for the database to come back.
            connections.close_all()
            return True

    def _save_from_hanging(self, ref: Ref) -> None:
        """From the watch's thread, as the last act before this process ends.

        Writes what had ended, puts what was begun under suspicion and gives back the rest.
        """
        lease, begun = self.desk.lease, frozenset(self.desk.begun)
        if lease is None:
            return
        try:
            self._save_ended(lease)
            limit = lease.limits.record_timeout_seconds
            message = f"Record {ref} was ended at its time limit of {limit} s."
            how = Move(cycles.MACHINE, database_now(), f"time limit of {limit} s")
            taking = Taking(CloseReason.REAPED, message, how, "TimedOut", begun, lease.token)
            take_back(Batch.objects.get(pk=lease.batch_id), taking)
            faults.judge_crash(self.run.pk)
        except (*TROUBLE, *NARROWED, LeaseLost) as error:
            logger.warning("batch %s is left to the reaper: %s", lease.batch_id, error)
        finally:
            connections.close_all()

    def _save_ended(self, lease: leases.Lease) -> None:
        """Outcomes that wait for their commit; the source is opened anew for this thread."""
        source = source_of(self.run)
        for settlement in map(so_far, self.tools.ended):
            if not len(settlement):
                continue
            ended = {claimed.ref for claimed in members(settlement)}
            left = [ref for ref in self._open_refs(lease) if ref not in ended]
            with transaction.atomic(durable=True):
                write_inside(source, lease, leases.Step(settlement, left, in_hand=len(left)))

    @staticmethod
    def _open_refs(lease: leases.Lease) -> list[Ref]:
        return list(Batch.objects.get(pk=lease.batch_id).open_keys)
