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
    settlement.outgoing = [pair for pair in settlement.outgoing if pair[0].ref not in gone]
    for claimed in gone.values():
        claimed.payload = MISSING
        settlement.others.append((claimed, outcome_of_change()))


def members(settlement: Settlement) -> Iterable[Claimed]:
    """The records of a settlement."""
    yield from (claimed for claimed, _ in settlement.done)
    yield from (claimed for claimed, _ in settlement.others)


def split(settlement: Settlement) -> Iterable[Settlement]:
    """A settlement as settlements of one record, each with what that published."""
    for success in settlement.done:
        part = part_of(settlement, success[0])
        part.done = [success]
        yield part
    for other in settlement.others:
        part = part_of(settlement, other[0])
        part.others = [other]
        yield part


def part_of(settlement: Settlement, claimed: Claimed) -> Settlement:
    """What this record published, without its outcome."""
    part = like(settlement)
    part.outgoing = [pair for pair in settlement.outgoing if pair[0] is claimed]
    return part


def so_far(settlement: Settlement) -> Settlement:
    """What it holds at this moment, while another thread may add to it.

    Who adds a record's outcome has added what it published before.
    """
    copy = like(settlement)
    copy.done, copy.others = list(settlement.done), list(settlement.others)
    ended = {claimed.ref for claimed in members(copy)}
    copy.outgoing = [pair for pair in settlement.outgoing if pair[0].ref in ended]
    return copy


def like(settlement: Settlement) -> Settlement:
    """An empty settlement of the same batch."""
    s = settlement
    return Settlement(s.batch_id, s.run_id, s.owner, s.now)


def replaced(part: Settlement, claimed: Claimed, outcome: Outcome) -> Settlement:
    """The same record with another outcome, which takes back what it published."""
    single = like(part)
    single.others = [(claimed, outcome)]
    return single
