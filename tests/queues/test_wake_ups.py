"""Wake-ups are put back where they were lost, and never pile up."""

from processors import queues
from processors.queues.wakeups import FLOOD


def test_a_run_that_no_worker_comes_for_has_no_more_wake_ups_than_it_wants() -> None:
    for _tick in range(10):
        assert queues.relay(17, "high", 2)

    assert queues.runs_waiting("high") == {17: 2}


def test_lost_wake_ups_of_one_run_are_put_back_beside_those_of_another() -> None:
    queues.wake(1, "high", 3)

    queues.relay(17, "high", 2)

    assert queues.runs_waiting("high") == {1: 3, 17: 2}


def test_a_queue_that_is_flooded_is_given_no_more() -> None:
    queues.wake(1, "high", 2 * FLOOD)

    assert queues.relay(17, "high", 2)

    assert 17 not in queues.runs_waiting("high")
