"""Claim batches for one worker on one run, and look again at records that live elsewhere."""

from processors import failpoints
from processors.clock import database_now
from processors.cycle.pace import Pace
from processors.cycle.patience import patiently
from processors.models import Batch, Run
from processors.models.door import Move
from processors.protocol import first_claim, leases
from processors.protocol.allowances import Held
from processors.protocol.cycles import MACHINE
from processors.protocol.gate import Ask
from processors.protocol.leases import Lease
from processors.protocol.reaping import Taking, take_back
from processors.sources.base import Source
from processors.sources.dialect import TROUBLE
from processors.states import CloseReason

MOST_AT_ONCE = 1_000  # records a batch may have


class Claims:
    """What a worker asks for, and what it gets; the claims after the first are part of commits."""

    def __init__(self, run: Run, source: Source, owner: str, pace: Pace) -> None:
        self.run = run
        self.source = source
        self.owner = owner
        self.pace = pace
        # The rate limit that the last first claim met.
        self.held: Held | None = None
        # A batch that was claimed before there was a shift.
        self.given: Lease | None = None

    def first(self) -> Lease | None:
        """The first batch, None where there is none for us."""
        given, self.given = self.given, None
        if given is not None:
            return self.confirmed(given)
        hand = self.pace.hand(1, MOST_AT_ONCE)
        ask = Ask(self.run.pk, self.owner, hand, ledger_only=self.run.config["ledger_only"])
        lease = patiently(
            lambda: first_claim.claim(self.source, ask),
            lambda: give_back_unanswered(self.run.pk, self.owner),
        )
        self.held = ask.held
        return self.confirmed(lease)

    def ask(self, lease: Lease) -> Ask:
        """For what follows this one, or is to be added to it."""
        hand = self.pace.hand(lease.limits.concurrency, lease.limits.batch_size)
        return Ask(self.run.pk, self.owner, hand, lease.slot, self.run.config["ledger_only"])

    def confirmed(self, lease: Lease | None) -> Lease | None:
        """A batch whose records were looked at again, where they live elsewhere."""
        if lease is not None:
            failpoints.reach("claim.after_commit")
        if lease is None or not self.source.has_position:
            return lease
        claimed = lease.claimed
        try:
            lease.claimed = patiently(lambda: self.source.confirm(claimed)) or []
        except TROUBLE:
            leases.give_back(self.source, lease, now=database_now())
            raise
        kept = {id(c) for c in lease.claimed}
        gone = [c.ref for c in claimed if id(c) not in kept]
        if gone:
            leases.void(self.source, lease, gone, now=database_now())
        lease.in_hand = min(lease.in_hand, len(lease.claimed))
        return lease


def give_back_unanswered(run_id: int, owner: str) -> bool:
    """Open what a claim took whose answer was lost, for it to be taken anew; never landed."""
    for batch in Batch.objects.leased().filter(run_id=run_id, owner=owner):
        how = Move(MACHINE, database_now(), "the claim was not answered")
        taking = Taking(CloseReason.RELEASED, how.reason, how, begun=frozenset())
        take_back(batch, taking)
    return False
