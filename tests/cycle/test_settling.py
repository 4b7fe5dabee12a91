"""Settlements taken apart: what a record published goes where its outcome goes."""

from datetime import UTC, datetime

from processors.cycle.settling import set_aside
from processors.sources.base import Claimed, Settlement


def test_of_a_record_that_is_parked_nothing_is_published() -> None:
    settlement = Settlement(1, 1, "worker", datetime.now(UTC))
    kept, parked = (Claimed(n, str(n), {}, visit=1) for n in (1, 2))
    settlement.done = [(kept, None), (parked, None)]
    settlement.outgoing = [(kept, "from the first"), (parked, "from the second")]

    set_aside(settlement, [2])

    assert settlement.outgoing == [(kept, "from the first")]
    assert [claimed for claimed, _ in settlement.others] == [parked]
