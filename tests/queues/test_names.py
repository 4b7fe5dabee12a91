"""Workers that were given the same name."""

import pytest
from django_rq import get_queue

from processors.queues import SafeWorker, queue_states


def test_a_name_that_is_taken_gets_an_addition(caplog: pytest.LogCaptureFixture) -> None:
    queue = get_queue("default")
    first, second = (
        SafeWorker([queue], name="twin", connection=queue.connection) for _ in range(2)
    )

    first.register_birth()
    second.register_birth()

    assert second.name.startswith("twin-")
    assert f"a worker twin is known already: this one is {second.name}" in caplog.text
    assert queue_states(["default"])[0].workers == 2
