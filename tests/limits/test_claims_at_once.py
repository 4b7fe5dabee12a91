"""Workers that claim at the same moment: each waits for its turn, and knows what others took."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import connection, connections, transaction

from processors.models import Record
from processors.protocol import claiming
from processors.protocol.gate import Ask, pass_gate
from processors.protocol.working import source_of
from tests.limits.conftest import begin, claimed, customers
from tests.model.clockwork import Clockwork
from tests.stories import define, fill_inbox
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("limit", ["60/min", "60/min by customer"])
def test_a_claim_that_waited_for_its_turn_does_not_begin_a_limit_anew(
    clock: Clockwork, limit: str
) -> None:
    processor = define("echo", rate_limits=[limit], parallelism=2)
    fill_inbox(processor, customers(a=5))
    Record.objects.update(available_at=clock.now - timedelta(minutes=1))
    run = begin(processor)
    assert claimed(run) is not None

    with transaction.atomic():
        gate = pass_gate(ask := Ask(run.pk, "host:2:a"), alone=True)
        assert gate is not None
        late = replace(gate, now=gate.now - timedelta(seconds=5))
        lease = claiming.claim_inside(source_of(run), ask, late)

    assert lease is None


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer")
def test_workers_that_claim_at_once_keep_to_each_keys_limit_together() -> None:
    processor = define("echo", rate_limits=["1/d by customer"], parallelism=50, batch_size=5)
    fill_inbox(processor, customers(a=30, b=30, c=30, d=30, e=30))
    run, start = begin(processor), threading.Barrier(4)

    def claim_all(worker: int) -> list[str]:
        names: list[str] = []
        try:
            start.wait(PATIENCE_SECONDS)
            for _ in range(8):
                if lease := claimed(run, f"host:{worker}:a"):
                    names += [one.payload["customer"] for one in lease.claimed]
        finally:
            connections.close_all()
        return names

    with ThreadPoolExecutor(4) as workers:
        taken = [name for names in workers.map(claim_all, range(4)) for name in names]

    assert sorted(taken) == ["a", "b", "c", "d", "e"]
    assert Record.objects.in_lanes().count() == 145
    assert Record.objects.filter(state="claimed").count() == 5
