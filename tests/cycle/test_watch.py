"""What the heartbeat concludes from a batch that is closed, and what a watch survives."""

import uuid

import pytest

from processors.cycle import watch as watch_module
from processors.cycle.watch import Desk, Watch
from processors.protocol.gate import Limits
from processors.protocol.leases import Lease
from tests.factories import make_batch
from tests.waiting import wait_until

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


def test_a_look_that_found_no_memory_is_not_the_watchs_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch_module, "LOOK_SECONDS", 0.001)
    watch = Watch(Desk(), lambda _: None)
    looks: list[str] = []

    def look() -> None:
        looks.append("look")
        raise MemoryError

    monkeypatch.setattr(watch, "_look", look)
    watch.start()

    wait_until(lambda: len(looks) > 2)
    watch.close()


def test_a_hung_record_ends_its_process_also_when_it_cannot_be_noted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ended: list[int] = []
    monkeypatch.setattr(watch_module, "leave_hard", lambda code, _: ended.append(code))
    batch = make_batch()
    lease = Lease(batch.pk, batch.run_id, str(uuid.uuid4()), 0, "me", Limits(1, 1, 1, 60))

    def cannot(ref: object) -> None:
        raise MemoryError

    with pytest.raises(MemoryError):
        Watch(Desk(lease, begun={1: -1e9}), cannot)._check_time_limit()

    assert ended == [watch_module.EXIT_HUNG]
