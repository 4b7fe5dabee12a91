"""Rows of a table keep to limits by a column, whatever their owner does meanwhile."""

from collections import Counter

import pytest

from processors.models import Processor, Record
from processors.protocol import cycles
from tests.limits.conftest import (
    begin,
    claimed,
    most_within_a_minute,
    take,
    work,
)
from tests.model.clockwork import Clockwork
from tests.stories import define
from tests.tables import Table

pytestmark = pytest.mark.django_db(transaction=True)


def test_rows_of_a_table_keep_to_limits_by_a_column(clock: Clockwork) -> None:
    table = Table()
    table.fill(range(1, 21))
    table.run("UPDATE goods SET name = CASE WHEN id <= 15 THEN 'slow' ELSE 'other' END")
    processor = define("echo", table.source(payload=["name"]), rate_limits=["5/min by name"])
    run = begin(processor)

    taken = work(run, clock, 240, by=lambda payload: payload["name"])
    cycles.end_cycle(run.pk)

    run.refresh_from_db()
    assert Counter(name for _, name in taken) == {"slow": 15, "other": 5}
    assert most_within_a_minute(taken, "slow") == 5
    assert table.statuses() == {"DONE": 20}
    assert run.state == "finished"
    table.drop()


@pytest.mark.django_db(databases=["default", "shop"], transaction=True)
def test_a_run_that_began_with_a_table_elsewhere_is_not_held_by_keys() -> None:
    table = Table("shop")
    table.fill([1, 2, 3])
    processor = define("echo", table.source())
    run = begin(processor)
    Processor.objects.update(source={"kind": "inbox"}, rate_limits=["1/d by key"])

    lease = claimed(run)

    assert lease is not None
    assert [one.key for one in lease.claimed] == ["1", "2", "3"]
    assert not Record.objects.in_lanes().exists()
    run.refresh_from_db()
    assert run.position == "3"
    table.drop()


def test_a_row_that_its_owner_took_back_is_not_handled(clock: Clockwork) -> None:
    table = Table()
    table.fill([1, 2])
    processor = define("outside", table.source(payload=["status"]), rate_limits=["1/min by status"])
    run = begin(processor)
    take(run, clock)
    table.set_status(2, "CANCELLED")
    clock.advance(61)

    lease = claimed(run)

    assert lease is not None
    assert lease.claimed[0].payload == {}
    table.drop()


def test_a_row_that_waits_may_be_set_to_new_again(clock: Clockwork) -> None:
    table = Table()
    table.fill([1, 2])
    processor = define("echo", table.source(payload=["name"]), rate_limits=["1/h by key"])
    run = begin(processor)
    take(run, clock)
    table.set_status(1, "NEW")
    take(run, clock)
    assert Record.objects.in_lanes().count() == 1

    table.set_status(1, "NEW")
    take(run, clock)

    assert Record.objects.in_lanes().count() == 1
    assert Record.objects.filter(state="claimed").count() == 0
    table.drop()
