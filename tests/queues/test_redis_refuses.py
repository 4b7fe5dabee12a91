"""What a worker says of a Redis that is away, or full: once in a while, and without its address."""

import pytest
from redis.exceptions import ConnectionError as Disconnected
from redis.exceptions import ResponseError

from processors.queues.worker import SafeWorker, trouble_of

FULL = ResponseError("MISCONF Errors writing to the AOF file: No space left on device")


def test_a_redis_that_refuses_is_not_called_gone() -> None:
    assert trouble_of(FULL) == f"Redis refuses ({FULL})"
    assert trouble_of(Disconnected("Error 111 connecting to 10.0.0.7:6379")) == (
        "Redis is gone (ConnectionError)"
    )


def test_trouble_that_comes_back_at_once_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    worker = SafeWorker.__new__(SafeWorker)
    worker._trouble_told_at = -3600.0
    monkeypatch.setattr(worker, "_wait_for_redis", lambda: None)

    worker._wait_out(FULL)
    worker._wait_out(FULL)

    assert [record.message for record in caplog.records] == [
        f"Redis refuses ({FULL}): waiting for it"
    ]
