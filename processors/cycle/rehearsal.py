"""Go through the first steps of a shift with a run that is not there.

Much of what a process does for the first time is slow: it connects, plans, fills caches, and copies
each page of memory that it shares with its parent. A process that waits for work does it here.
What it does a few times is faster still: Python adapts code to what it meets.
"""

import os
import uuid
from contextlib import suppress
from dataclasses import dataclass

from django.db import connection, transaction

from processors.clock import database_now
from processors.cycle import readiness
from processors.cycle.assignment import Assignment
from processors.cycle.shift import Shift
from processors.cycle.watch import Watch, park_one
from processors.handlers import Context, registry
from processors.handlers.contract import Handler, Record
from processors.handlers.options import options_form
from processors.models import Processor, Run
from processors.protocol import claiming, first_claim, leases, twins
from processors.protocol.gate import Ask, Limits
from processors.protocol.working import Equipment, freeze
from processors.queues.identity import own_name
from processors.sources import arrivals
from processors.sources.base import Claimed, Pick, Settlement
from processors.sources.ledger import Ledger

TIMES = 3
NOWHERE = 0  # no processor, run or batch has this id


@dataclass
class Options:
    """To be cleaned, as a real handler's are."""

    text: str = ""


def nothing(record: Record, context: Context) -> None:
    """A handler that nobody can choose."""


NOTHING = Handler("nothing", "Nothing", nothing, options=Options)


def rehearse() -> None:
    """Connect, and be ready. Changes nothing; raises what the database raises."""
    if connection.vendor == "postgresql":
        claim_and_undo()
    for _ in range(TIMES):
        go_through()
    park_one()


def go_through() -> None:
    """All of it once."""
    newest = Run.objects.order_by("-pk").values_list("pk", flat=True).first()
    Assignment.find(newest or NOWHERE)
    twins.is_barred()
    shift = Shift(assignment(), Equipment(NOTHING, NOTHING.clean_options({"text": "a"})))
    # A claim that finds nothing would still wait for an SQLite file's only writer.
    if connection.vendor == "postgresql":
        claim(shift)
        readiness.get_ready()
        readiness.take_up(NOWHERE)
    watch = Watch(shift.desk, lambda _: None)
    watch.start()
    settlement = Settlement(NOWHERE, NOWHERE, shift.commits.owner, database_now())
    shift.tools.treatment.treat(Claimed(NOWHERE, "key", {}, visit=1), settlement)
    watch.close()
    for handler in registry.all():
        with suppress(TypeError):  # a class that cannot be drawn is for the definition's check
            options_form(handler.options)


def assignment() -> Assignment:
    """To a run of a processor that exists here alone."""
    processor = Processor(pk=NOWHERE, source={"kind": "inbox"})
    run = Run(pk=NOWHERE, processor=processor, config=freeze(processor))
    return Assignment(run, identity="", home="", time_limit_seconds=1)


def claim_and_undo() -> None:
    """A record and a batch that nobody ever sees: what checks rows is found at the first one."""
    run_id = Run.objects.order_by("-pk").values_list("pk", flat=True).first()
    if run_id is None:
        return
    own = -os.getpid()  # nobody's batch, and no slot of anybody's
    limits = Limits(parallelism=1, batch_size=1, concurrency=1, record_timeout_seconds=1)
    lease = leases.Lease(own, run_id, str(uuid.uuid4()), own, own_name(), limits)
    with transaction.atomic(durable=True):
        now = database_now()
        arrivals.store(NOWHERE, [arrivals.Prepared("", str(uuid.uuid4()), "{}")], now)
        Ledger(NOWHERE).claim(Pick(own, 1, now))
        claiming.open_batch(lease, now)
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        transaction.set_rollback(True)


def claim(shift: Shift) -> None:
    """All of a claim's questions: the first finds no run, and the others would be left out."""
    source = shift.commits.source
    first_claim.claim(source, Ask(NOWHERE, shift.commits.owner))
    with transaction.atomic(durable=True):
        claiming.free_slot(NOWHERE, 1)
        source.claim(Pick(NOWHERE, 1, database_now()))
