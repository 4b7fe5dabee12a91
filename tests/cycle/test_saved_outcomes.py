"""What had ended when its worker must end itself, because another record hangs."""

import pytest

from processors import control
from processors.cycle.shift import open_shift
from processors.models import Record
from processors.sources.arrivals import Prepared
from tests.stories import act, define, fill_inbox, numbered

pytestmark = pytest.mark.django_db(transaction=True)


def test_what_ended_before_a_record_hung_is_saved_with_what_it_published() -> None:
    define("echo", slug="next", name="Next")
    processor = define("echo")
    fill_inbox(processor, numbered(2))
    shift = open_shift(control.run_once(processor.pk, act()).pk)
    lease = shift and shift.commits.claims.first()
    assert shift
    assert lease
    ended, _ = lease.claimed
    settlement = shift.commits.settlement(lease)
    settlement.done = [(ended, None)]
    settlement.outgoing = [(ended, Prepared("next", "published", "{}"))]
    shift.tools.ended.append(settlement)

    shift._save_ended(lease)

    assert Record.objects.get(key=ended.key).state == "done"
    assert Record.objects.filter(processor__slug="next", key="published").exists()
