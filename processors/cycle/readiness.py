"""What a spare child finds out before its job comes: what the newest runs work with.

A run that works with the same can then be claimed from without being looked at before. Kept is
only what cannot be another one later: the options of a form may depend on anything.
"""

import json
from dataclasses import dataclass, is_dataclass
from typing import ClassVar

from processors.cycle.assignment import Assignment
from processors.cycle.claims import give_back_unanswered
from processors.cycle.patience import patiently
from processors.models import Run
from processors.protocol import first_claim
from processors.protocol.first_claim import Taken
from processors.protocol.gate import Ask
from processors.protocol.leases import Lease
from processors.protocol.working import Equipment, Unable, equip
from processors.queues.identity import own_name
from processors.sources import open_source
from processors.sources.dialect import Dialect

NOWHERE = 0  # no processor has this id
INBOX = {"kind": "inbox"}

# What did the newest runs work with?
NEWEST = """
SELECT DISTINCT md5(config::text), config::text
  FROM (SELECT config FROM processors_run ORDER BY id DESC LIMIT 20) AS newest
"""


class Readiness:
    """By the digest of a configuration; empty but in a spare child."""

    equipment: ClassVar[dict[str, Equipment]] = {}


def get_ready() -> None:
    """Find out what the newest runs work with. On Postgres."""
    Readiness.equipment = {}
    for digest, text in Dialect("default").fetch(NEWEST, []):
        config = json.loads(text)
        if config["source"]["kind"] != INBOX["kind"] or config["ledger_only"]:
            continue
        try:
            equipment = equip(Run(config=config))
        except Unable:  # told when it matters
            continue
        if is_lasting(equipment):
            Readiness.equipment[digest] = equipment


def is_lasting(equipment: Equipment) -> bool:
    """Whether the same configuration means the same whenever it is asked for, one by one."""
    handler = equipment.handler
    return not handler.batch and (handler.options is None or is_dataclass(handler.options))


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that was taken up, with its first batch."""

    assignment: Assignment
    equipment: Equipment
    lease: Lease


def take_up(run_id: int) -> Begun | None:
    """A first batch of a run that we are ready for; None where it is to be looked at first."""
    known = Readiness.equipment
    if not known:
        return None
    source, ask = open_source(NOWHERE, INBOX), Ask(run_id, own_name())

    def once() -> Taken | None:
        return first_claim.claim_at_once(source, ask, list(known))

    taken = patiently(once, lambda: give_back_unanswered(run_id, ask.owner))
    if taken is None:
        return None
    lease, equipment = taken.lease, known[taken.configuration]
    limit = lease.limits.record_timeout_seconds
    return Begun(Assignment(taken.run, taken.identity, "", limit), equipment, lease)
