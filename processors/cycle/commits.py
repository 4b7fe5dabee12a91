"""Write what became of records: one transaction a stretch, however rough the sea.

Trouble that passes (a database restart, a deadlock, a lock) is waited out and costs no attempt.
Trouble with one outcome (a result that does not fit, a row that was changed) is narrowed down to
that record by writing the stretch again one by one.
"""

import logging
from collections import deque
from dataclasses import dataclass, field
from datetime import datetime

from django.db import DatabaseError, connections, transaction

from processors import failpoints, publishing
from processors.cycle.claims import Claims
from processors.cycle.judging import Judge
from processors.cycle.manners import Manners, leave_if_copy
from processors.cycle.pace import Pace
from processors.cycle.patience import patiently
from processors.cycle.refusals import refused
from processors.cycle.settling import members, replaced, set_aside, split
from processors.cycle.treatment import RetryPolicy
from processors.handlers.outcomes import NOT_NOW
from processors.models import Attempt, Run
from processors.protocol import claiming, leases
from processors.protocol.at_once import AtOnce
from processors.protocol.gate import Ask, Gate, Limits, pass_gate
from processors.protocol.leases import Lease, LeaseLost, Step
from processors.protocol.refilling import Refill, claim_more, write_refill
from processors.publishing import UnknownTarget
from processors.sources.base import Claimed, Ref, Settlement, Source, SourceChanged
from processors.sources.changed import MISSING
from processors.sources.dialect import TROUBLE, is_broken
from processors.states import CloseReason

logger = logging.getLogger(__name__)

MOST_NOT_NOW = 20  # times that one try of a record is put off before it costs an attempt
NARROWED = (SourceChanged, UnknownTarget, DatabaseError, LookupError)


@dataclass
class Stretch:
    """What one commit is to hold.

    `in_flight`: begun but not ended. `todo`: not begun. `wants_more`: the worker would take
    another batch when this one is through. `leaving`: it must give back what it has not begun.
    `stays_open`: another commit of the same batch follows. `refill`: more is to be claimed into the
    batch while it stays open.
    """

    settlement: Settlement
    todo: deque[Claimed]
    in_flight: list[Claimed] = field(default_factory=list)
    wants_more: bool = True
    leaving: bool = False
    stays_open: bool = False
    refill: bool = False

    @property
    def remaining(self) -> list[Ref]:
        """What has no outcome yet, that in flight first."""
        return [claimed.ref for claimed in (*self.in_flight, *self.todo)]

    @property
    def claims(self) -> bool:
        """Whether more is claimed with this commit: another batch, or into this one."""
        if self.close is None:
            return self.refill
        return self.wants_more and not self.leaving

    @property
    def close(self) -> CloseReason | None:
        """Why the batch ends with this commit, None where it goes on."""
        if self.in_flight or self.stays_open:
            return None
        if not self.todo:
            return CloseReason.COMPLETED
        return CloseReason.RELEASED if self.leaving else None


class Commits:
    """Writes for one worker on one run."""

    def __init__(self, run: Run, source: Source, owner: str, pace: Pace, judge: Judge) -> None:
        self.run = run
        self.claims = Claims(run, source, owner, pace)
        self.judge = judge
        self.manners = Manners()
        self.policy = RetryPolicy.of(run.config)
        self.source = source
        self.owner = owner
        self.pace = pace
        self.at_once = AtOnce()
        self._next: Lease | None = None
        self._refill: Refill | None = None

    def settlement(self, lease: Lease) -> Settlement:
        """An empty one; its time is set when it is written."""
        found = Settlement(lease.batch_id, self.run.pk, self.owner, self.run.started_at)
        self.judge.watch(found)
        return found

    def write(self, lease: Lease, stretch: Stretch) -> Lease | None:
        """Commit a stretch; the next batch where this one is through and another was claimed."""
        leave_if_copy()
        set_aside(stretch.settlement, self.source.changed(stretch.settlement))
        try:
            self._until_it_passes(lease, stretch)
        except LeaseLost:
            raise
        except NARROWED as error:
            if is_broken(error):
                raise
            logger.info("batch %s is written one by one: %s", lease.batch_id, error)
            return self._one_by_one(lease, stretch)
        return self.after_commit(lease, stretch)

    def _until_it_passes(self, lease: Lease, stretch: Stretch) -> None:
        lease.closing = stretch.close is not None

        def once() -> None:
            self._next = self._refill = None  # what an attempt that failed had claimed is void
            step = step_of(lease, stretch, self._hand(lease, stretch))
            if stretch.refill or not self.at_once.commit(self.source, lease, step):
                with transaction.atomic(durable=True):
                    self.inside(lease, stretch)

        patiently(once, lambda: self.has_landed(lease, stretch))

    def has_landed(self, lease: Lease, stretch: Stretch) -> bool:
        """Whether a commit that was not answered took effect: it must not be made twice."""
        return leases.was_committed(lease, step_of(lease, stretch, 0))

    def inside(self, lease: Lease, stretch: Stretch) -> None:
        """Everything that one commit holds, in the caller's transaction."""
        lease.closing = stretch.close is not None
        self._bound_patience(stretch.settlement)
        gate, ask = None, self.claims.ask(lease)
        if stretch.claims:
            gate = pass_gate(ask, alone=self._claims_alone)
        step = step_of(lease, stretch, self._hand(lease, stretch))
        write_inside(self.source, lease, step, now=gate.now if gate else None)
        self._next = self._refill = None
        if gate and stretch.close:
            self._next = claiming.claim_inside(self.source, ask, gate)
        elif gate:
            self._refill = self._refilled(lease, stretch, ask, gate)

    def _refilled(self, lease: Lease, stretch: Stretch, ask: Ask, gate: Gate) -> Refill | None:
        """More records for a batch that stays open, with the marker that goes with them."""
        more = claim_more(self.source, lease, ask, gate, len(stretch.remaining))
        if not more:
            return None
        left = [*stretch.remaining, *(claimed.ref for claimed in more)]
        in_hand = self._hand_of(gate.limits, len(stretch.in_flight), len(left))
        refill = Refill(more, left, in_hand, gate.limits)
        write_refill(lease, refill)
        return refill

    def _bound_patience(self, settlement: Settlement) -> None:
        """Trouble that keeps coming back to one record is its own: it costs attempts then."""
        for claimed, outcome in settlement.others:
            if outcome.is_free and times_not_now(claimed) >= MOST_NOT_NOW:
                outcome.is_free = False
                self.policy.apply(claimed, outcome)

    @property
    def _claims_alone(self) -> bool:
        """Whether claims of this run must see each other: a position, or a number to keep to."""
        return self.source.has_position or self.run.claim_limit is not None

    def after_commit(self, lease: Lease, stretch: Stretch) -> Lease | None:
        """What follows the commit: the count it is known by, and sources that live elsewhere."""
        failpoints.reach("close.after_commit" if stretch.close else "outcome.after_commit")
        self.manners.restore()
        patiently(self.judge.conclude)
        lease.settled += len(stretch.settlement)
        lease.in_hand = self._hand(lease, stretch)
        self._take_refill(lease, stretch)
        if len(stretch.settlement):
            self._tell_elsewhere(stretch.settlement)
        found, self._next = self._next, None
        return self.claims.confirmed(found) if stretch.close else None

    def _take_refill(self, lease: Lease, stretch: Stretch) -> None:
        refill, self._refill = self._refill, None
        if refill is not None:
            failpoints.reach("claim.after_commit")
            stretch.todo.extend(refill.claimed)
            refill.enter(lease)

    def _tell_elsewhere(self, settlement: Settlement) -> None:
        try:
            self.source.publish_outcomes(settlement)
        except TROUBLE as error:
            connections[self.source.alias].close_if_unusable_or_obsolete()
            logger.warning("outcomes are told to %s later: %s", self.source.alias, error)

    def _hand(self, lease: Lease, stretch: Stretch) -> int:
        """How far the marker reaches after this commit."""
        begun, left = len(stretch.in_flight), len(stretch.in_flight) + len(stretch.todo)
        return self._hand_of(lease.limits, begun, left)

    def _hand_of(self, limits: Limits, begun: int, left: int) -> int:
        """Of `left` records: what is begun, or waits for hands, and what the next commit holds."""
        if not begun:
            return self.pace.hand(limits.concurrency, left)
        busy = limits.concurrency + self.pace.ahead()
        return max(begun, min(busy + self.pace.hand(limits.concurrency, left), left))

    # One by one

    def _one_by_one(self, lease: Lease, stretch: Stretch) -> Lease | None:
        """Write each outcome by itself, then the end of the stretch."""
        settlement = stretch.settlement
        parts = list(split(settlement))
        for n, part in enumerate(parts):
            waiting = [claimed for later in parts[n + 1 :] for claimed in members(later)]
            in_flight = [*waiting, *stretch.in_flight]
            self._write_single(lease, part, Stretch(part, stretch.todo, in_flight, stays_open=True))
        rest = Stretch(
            self.settlement(lease),
            stretch.todo,
            stretch.in_flight,
            stretch.wants_more,
            stretch.leaving,
        )
        return self.write(lease, rest)

    def _write_single(self, lease: Lease, part: Settlement, stretch: Stretch) -> None:
        """One outcome; one that cannot be written becomes one that can."""
        try:
            self._until_it_passes(lease, stretch)
        except LeaseLost:
            raise
        except NARROWED as error:
            self._write_refused(lease, part, stretch, error)
        self.after_commit(lease, stretch)

    def _write_refused(
        self, lease: Lease, part: Settlement, stretch: Stretch, error: Exception
    ) -> None:
        claimed = next(iter(members(part)))
        for outcome in refused(claimed, error, may_repeat=not self.pace.one_by_one):
            if not outcome.is_free:
                self.judge.refused(claimed.key)
            self.policy.apply(claimed, outcome)
            stretch.settlement = replaced(part, claimed, outcome)
            try:
                self._until_it_passes(lease, stretch)
            except NARROWED:
                claimed.payload = MISSING  # then without a word to the user's row
            else:
                return
        raise error


def times_not_now(claimed: Claimed) -> int:
    """How often this try of a record was put off because of our database."""
    if claimed.record_id is None:
        return 0
    tries = Attempt.objects.filter(record=claimed.record_id, number=claimed.number)
    return tries.filter(visit=claimed.visit, error_type=NOT_NOW).count()


def write_inside(source: Source, lease: Lease, step: Step, *, now: datetime | None = None) -> None:
    """Outcomes, and what their records published: see `leases.commit_inside`."""
    leases.commit_inside(source, lease, step, now=now)
    if outgoing := [item for _, item in step.settlement.outgoing]:
        publishing.store(outgoing, now=step.settlement.now)


def step_of(lease: Lease, stretch: Stretch, in_hand: int) -> Step:
    """A stretch as the protocol writes it; a number instead of a list where all is in order."""
    close = stretch.close
    if close is None and lease.in_order and not stretch.in_flight:
        return Step(stretch.settlement, settled_to=lease.size - len(stretch.todo), in_hand=in_hand)
    return Step(stretch.settlement, stretch.remaining, in_hand=in_hand, close=close)
