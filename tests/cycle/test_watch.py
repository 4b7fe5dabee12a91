"""What the heartbeat concludes from a batch that is closed."""

import uuid

import pytest

from processors.cycle.watch import Desk, Watch
from processors.protocol.gate import Limits
from processors.protocol.leases import Lease
from tests.factories import make_batch

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("closing", [False, True])
def test_a_batch_that_was_closed_is_lost_unless_its_own_worker_closed_it(closing: bool) -> None:
    batch = make_batch(state="closed")
    lease = Lease(batch.pk, batch.run_id, str(uuid.uuid4()), 0, "me", Limits(1, 1, 1, 60))
    lease.closing = closing
    desk = Desk(lease)

    reached = Watch(desk, lambda _: None)._beat()

    assert reached
    assert desk.lost is not closing
