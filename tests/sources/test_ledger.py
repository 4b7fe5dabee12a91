"""What the record table gives to whom: by time and priority, and to nobody but the batch."""

from datetime import timedelta

import pytest

from processors.clock import database_now
from processors.models import Record
from processors.sources.base import Claimed, Pick, Settlement
from processors.sources.ledger import Ledger
from processors.states import RecordState
from tests.factories import make_claimed, make_processor, make_record, make_run

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_is_due_later_is_not_taken_and_stands_in_nobodys_way() -> None:
    processor, now = make_processor(), database_now()
    later = now + timedelta(hours=1)
    make_record(processor, key="urgent, later", priority=9, available_at=later)
    make_record(processor, key="later", available_at=later)
    make_record(processor, key="now", available_at=now)

    claimed = Ledger(processor.pk).claim(Pick(1, 10, now))

    assert [each.key for each in claimed] == ["now"]


def test_what_another_batch_has_is_neither_settled_nor_given_back() -> None:
    batch = make_claimed(make_run())
    record = Record.objects.get()
    late = Settlement(batch.pk + 1, batch.run_id, "late", database_now())
    late.done = [(Claimed(record.pk, record.key, {}, 1), None)]
    ledger = Ledger(record.processor_id)

    with pytest.raises(LookupError, match="not claimed by it"):
        ledger.settle_done(late)
    late.done = [(late.done[0][0], {"a": "result"})]
    with pytest.raises(LookupError, match="not claimed by it"):
        ledger.settle_done(late)
    ledger.release(late.batch_id, [record.pk])

    record.refresh_from_db()
    assert (record.state, record.batch) == (RecordState.CLAIMED, batch)


@pytest.mark.parametrize("result", [None, {"a": "result"}])
def test_what_was_settled_is_neither_settled_again_nor_set_aside(result: object) -> None:
    batch = make_claimed(make_run())
    record = Record.objects.get()
    settlement = Settlement(batch.pk, batch.run_id, batch.owner, database_now())
    settlement.done = [(Claimed(record.pk, record.key, {}, 1), result)]
    ledger = Ledger(record.processor_id)
    ledger.settle_done(settlement)

    with pytest.raises(LookupError, match="not claimed by it"):
        ledger.settle_done(settlement)
    with pytest.raises(LookupError, match="set aside 0 of 1"):
        ledger.set_aside(Pick(batch.pk, 1, settlement.now), [(record.pk, 1)])

    record.refresh_from_db()
    assert (record.state, record.result) == (RecordState.DONE, result)
