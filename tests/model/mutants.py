"""Known mistakes, made on purpose: each must be seen by a named check.

They change our code where it is looked up, for the length of a `with`, and refuse to be vacuous:
a mutant that changes nothing is an error.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from django.db import transaction

from processors.models import Batch, Processor, Run
from processors.models.door import Move
from processors.protocol import arming, cycles, gate, leases
from processors.querysets import BatchQuerySet
from processors.sources import ledger

TEST_OF_TOKEN = re.compile(r"token = (%s|\$\d+(?:::\w+)?) AND state = 'leased'")
TEST_OF_COUNT = re.compile(r"\n\s*AND done \+ skipped[^=]*= (%s|\$\d+(?:::\w+)?)")


@contextmanager
def fence_off() -> Iterator[None]:
    """Whoever comes late writes his outcomes all the same."""
    with ExitStack() as patches:
        changed = 0
        for name, text in list(vars(leases).items()):
            if not (isinstance(text, str) and "settled_to" in text and "UPDATE" in text):
                continue
            off = TEST_OF_TOKEN.sub(r"\1 IS NOT NULL", text)
            off = TEST_OF_COUNT.sub(r"\n   AND \1 IS NOT NULL", off)
            if off != text:
                patches.enter_context(patch.object(leases, name, off))
                changed += 1
        assert changed, "the fence was not found: this control is vacuous"
        yield


@contextmanager
def one_strike() -> Iterator[None]:
    """A batch is taken as soon as its lease has run out."""
    with patch.object(BatchQuerySet, "struck_once", lambda self: self):
        yield


@contextmanager
def reaper_without_lock() -> Iterator[None]:
    """What was seen before the lock is believed after it."""
    with patch("processors.protocol.reaping.taker", lambda *_: lambda _: True):
        yield


@contextmanager
def end_in_two_commits() -> Iterator[None]:
    """T7 ends the cycle in one commit and arms the next in another."""
    real: Callable[..., None] = arming.arm

    def close_books(processor: Processor, run: Run, state: Any, how: Move) -> None:
        counters = Batch.objects.filter(run=run).counters()
        run.end(state, how, {name: counters[name] for name in counters})
        transaction.on_commit(lambda: real(processor, how.now))

    with patch.object(cycles, "close_books", close_books):
        yield


@contextmanager
def gate_unlocked() -> Iterator[None]:
    """A claim reads the run's state without holding its row."""
    text = gate.GATE_POSTGRES
    assert "FOR {lock} OF run" in text, "the gate was not found: this control is vacuous"
    with patch.object(gate, "GATE_POSTGRES", text.replace("FOR {lock} OF run", "")):
        yield


@contextmanager
def pick_by_subquery() -> Iterator[None]:
    """The pick as `id IN (… LIMIT … FOR UPDATE SKIP LOCKED)`, run again for every row.

    Left to itself, Postgres 15 runs it once; a reference to the outer row takes the choice away.
    """
    text = """
UPDATE processors_record AS r
   SET state = 'claimed', batch_id = %s
 WHERE r.processor_id = %s AND r.id IN (
       SELECT id FROM processors_record
        WHERE processor_id = r.processor_id AND state = 'ready' AND NOT alone
          AND available_at <= %s AND id <= %s AND (maybe_seen OR %s)
        ORDER BY available_at, id
        LIMIT %s
          FOR UPDATE SKIP LOCKED)
"""

    def claim(self: ledger.Ledger, pick: Any) -> Any:
        ceiling = int(pick.ceiling or ledger.NO_CEILING)
        due = (self.processor_id, pick.now, ceiling, not pick.ledger_only)
        params = (pick.batch_id, *due, pick.size)
        return self._returned(text, params, pick.now)

    with patch.object(ledger.Ledger, "claim", claim):
        yield
