"""Take settlements apart, and put other outcomes into them."""

from collections.abc import Iterable, Sequence

from processors.handlers.outcomes import Outcome
from processors.sources.base import Claimed, Ref, Settlement
from processors.sources.table import MISSING, outcome_of_change


def set_aside(settlement: Settlement, changed: Sequence[Ref]) -> None:
    """Park what its owner changed elsewhere meanwhile: its outcome cannot be written there."""
    if not changed:
        return
    gone = {claimed.ref: claimed for claimed in members(settlement) if claimed.ref in set(changed)}
    settlement.done = [pair for pair in settlement.done if pair[0].ref not in gone]
    settlement.others = [pair for pair in settlement.others if pair[0].ref not in gone]
    for claimed in gone.values():
        claimed.payload = MISSING
        settlement.others.append((claimed, outcome_of_change()))


def members(settlement: Settlement) -> Iterable[Claimed]:
    """The records of a settlement."""
    yield from (claimed for claimed, _ in settlement.done)
    yield from (claimed for claimed, _ in settlement.others)


def split(settlement: Settlement) -> Iterable[Settlement]:
    """A settlement as settlements of one record; what was published goes with the first."""
    outgoing, settlement.outgoing = settlement.outgoing, []
    for success in settlement.done:
        part = like(settlement)
        part.done, part.outgoing, outgoing = [success], outgoing, []
        yield part
    for other in settlement.others:
        part = like(settlement)
        part.others, part.outgoing, outgoing = [other], outgoing, []
        yield part


def like(settlement: Settlement) -> Settlement:
    """An empty settlement of the same batch."""
    s = settlement
    return Settlement(s.batch_id, s.run_id, s.owner, s.now)


def replaced(part: Settlement, claimed: Claimed, outcome: Outcome) -> Settlement:
    """The same record with another outcome."""
    single = like(part)
    single.others = [(claimed, outcome)]
    return single
