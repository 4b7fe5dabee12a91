"""A batch that was taken back: somebody is woken for what it gave back."""

from typing import Any

import pytest
from django_rq import get_queue

from tests.model.scenes import Story

pytestmark = pytest.mark.django_db(transaction=True)


def test_whoever_is_idle_is_woken_for_what_a_lost_worker_had() -> None:
    story = Story(2).running()
    assert story.claim()
    story.silent()
    queue: Any = get_queue("default")
    queue.empty()

    assert story.reap() == 1

    assert [job.args for job in queue.jobs] == [[story.run.pk]]
