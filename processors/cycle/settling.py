"""Take settlements apart, and put other outcomes into them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from processors.handlers.outcomes import Outcome
from processors.sources.base import Claimed, Ref, Settlement
from processors.sources.changed import MISSING, outcome_of_change


def set_aside(settlement: Settlement, changed: Sequence[Ref]) -> None:
    """Park what its owner changed elsewhere meanwhile: its outcome cannot be written there."""
    if not changed:
        return
    refs = set(changed)
    gone = {claimed.ref: claimed for claimed in members(settlement) if claimed.ref in refs}
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
    published: dict[Ref, list[tuple[Claimed, Any]]] = {}
    for pair in settlement.outgoing:
        published.setdefault(pair[0].ref, []).append(pair)
    for success in settlement.done:
        yield replace(like(settlement), done=[success], outgoing=published.get(success[0].ref, []))
    for other in settlement.others:
        yield replace(like(settlement), others=[other], outgoing=published.get(other[0].ref, []))


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
