"""Settlements taken apart: what a record published goes where its outcome goes."""

from datetime import UTC, datetime

from processors.cycle.settling import set_aside, split
from processors.handlers.outcomes import Outcome
from processors.sources.base import Claimed, Settlement


def test_of_a_record_that_is_parked_nothing_is_published() -> None:
    settlement = Settlement(1, 1, "worker", datetime.now(UTC))
    kept, parked = (Claimed(n, str(n), {}, visit=1) for n in (1, 2))
    settlement.done = [(kept, None), (parked, None)]
    settlement.outgoing = [(kept, "from the first"), (parked, "from the second")]

    set_aside(settlement, [2])

    assert settlement.outgoing == [(kept, "from the first")]
    assert [claimed for claimed, _ in settlement.others] == [parked]


def test_each_record_keeps_its_outcome_and_what_it_published() -> None:
    settlement = Settlement(1, 1, "worker", datetime.now(UTC))
    loud, silent, failed = (Claimed(n, str(n), {}, visit=1) for n in (1, 2, 3))
    settlement.done = [(loud, "a result"), (silent, None)]
    settlement.others = [(failed, Outcome("done", log=["a line"]))]
    settlement.outgoing = [(loud, "its first"), (failed, "its only"), (loud, "its second")]

    parts = list(split(settlement))

    assert [part.done for part in parts] == [[(loud, "a result")], [(silent, None)], []]
    assert [part.others for part in parts] == [[], [], settlement.others]
    published = [[item for _, item in part.outgoing] for part in parts]
    assert published == [["its first", "its second"], [], ["its only"]]
