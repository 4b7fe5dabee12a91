"""How many records wait: asked of many inboxes at once, and of each by itself."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from processors import backlog
from processors.models import Processor
from processors.states import RecordState
from tests.factories import make_processor, make_record

pytestmark = pytest.mark.django_db

CAP = 5


@pytest.fixture
def inboxes() -> list[Processor]:
    """Empty; three that wait, one of them by itself; more than are counted; all done."""
    made = [make_processor() for _ in range(4)]
    _, few, many, done = made
    for _ in range(2):
        make_record(few)
    make_record(few, alone=True, crashes=1)
    for _ in range(CAP + 2):
        make_record(many)
    make_record(done, state=RecordState.DONE)
    return made


def test_many_inboxes_are_counted_as_each_by_itself(inboxes: list[Processor]) -> None:
    together = backlog.of_inboxes(inboxes, CAP)

    assert [together[one.pk] for one in inboxes] == [0, 3, CAP, 0]
    assert together == {one.pk: backlog.count(one, CAP).records for one in inboxes}


def test_many_inboxes_cost_one_query(inboxes: list[Processor]) -> None:
    with CaptureQueriesContext(connection) as asked:
        backlog.of_inboxes(inboxes, CAP)

    assert len(asked) == 1
