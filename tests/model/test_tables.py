"""Workers, reapers and the owner of a table at the same moment, for every kind of table source.

A kind that is new is one line in PLACES. `errand` is a worker's way through the source contract,
with an effect outside for each record; what must hold afterwards is the same for all.
"""

from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connections, transaction
from django.test import override_settings

from processors.clock import database_now
from processors.cycle.settling import set_aside
from processors.models import Batch, Processor, Record, Run
from processors.protocol import claiming, cycles, leases, reaping, reconciling
from processors.protocol.gate import Ask
from processors.protocol.leases import LeaseLost, Step
from processors.protocol.working import source_of
from processors.sources.base import Settlement, Source
from processors.sources.foreign import ForeignTableSource
from processors.states import CloseReason
from tests import bootstrap
from tests.handling.models import Effect
from tests.model.laboratory import empty_database, without_wakes
from tests.model.scenes import BRIEF, JUST_NOW, effect_of, no_error, sound
from tests.model.stepwise import THRIFTY, Scene, Stage, explore, kill_everywhere, stage
from tests.stories import define
from tests.tables import Table

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "shop"])

# How a table is claimed → where it lies, and how long its status may be.
PLACES = {"A": ("default", 20), "B": ("shop", 20), "C": ("shop", 8)}


@pytest.fixture(params=sorted(PLACES))
def goods(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[Table]:
    table = table_of(request.param)
    yield table
    table.drop()


def table_of(mode: str) -> Table:
    alias, length = PLACES[mode]
    return Table(alias, status_length=length)


class Shop:
    """A processor on `goods` with a run, whose workers do one errand each."""

    def __init__(self, goods: Table, keys: int = 2) -> None:
        empty_database()
        goods.run("DELETE FROM goods")
        goods.fill(range(1, keys + 1))
        self.goods = goods
        trigger = {"kind": "interval", "pause_seconds": 1}
        self.processor = define("outside", goods.source(), trigger=trigger, batch_size=1)
        self.wanted_again = 0
        self.begin()

    def begin(self) -> None:
        now = database_now()
        Processor.objects.update(
            state="started", next_due_at=now, next_slot_at=now, pause_seconds=0
        )
        cycles.begin_due(self.processor.pk)

    # Acts

    def errand(self) -> int:
        """Claim, treat and settle batch after batch; how many records."""
        run, handled = Run.objects.latest("seq"), 0
        source = source_of(run)
        while lease := claiming.claim(source, Ask(run.pk, "worker")):
            claimed, lease.claimed = lease.claimed, source.confirm(lease.claimed)
            gone = [c.ref for c in claimed if c not in lease.claimed]
            try:
                if gone:
                    leases.void(source, lease, gone, now=database_now())
                handled += self.settle(run, source, lease)
            except LeaseLost:
                continue
        cycles.end_cycle(run.pk)
        return handled

    def settle(self, run: Run, source: Source, lease: leases.Lease) -> int:
        settlement = Settlement(lease.batch_id, run.pk, lease.owner, database_now())
        for claimed in lease.claimed:
            effect_of(claimed.key).save()  # outside: nothing takes it back
            settlement.done.append((claimed, None))
        set_aside(settlement, source.changed(settlement))
        with transaction.atomic(durable=True):
            leases.commit_inside(source, lease, Step(settlement, close=CloseReason.COMPLETED))
        source.publish_outcomes(settlement)
        return len(settlement)

    def want_again(self) -> None:
        """The owner sets the first row back to new, if it is done."""
        with connections[self.goods.alias].cursor() as cursor:
            cursor.execute("UPDATE goods SET status = 'NEW' WHERE id = 1 AND status = 'DONE'")
            self.wanted_again = int(cursor.rowcount)

    def reap(self) -> int:
        """Both strikes."""
        return sum(reaping.reap(database_now()) for _ in range(2))

    def reconcile(self) -> int:
        return reconciling.reconcile(database_now())

    # Afterwards

    def close(self) -> dict[str, int]:
        """Until nothing is left; how often each key was handled."""
        Batch.objects.leased().update(lease_until=database_now() - JUST_NOW)
        self.reap()
        for _ in range(10):
            self.reconcile()
            if Run.objects.active().exists():
                self.errand()
            Record.objects.filter(state="ready").update(available_at=database_now())
            if set(self.goods.statuses()) == {"DONE"} and not Run.objects.active().exists():
                break
            self.begin()
        self.reconcile()
        assert set(self.goods.statuses()) == {"DONE"}, self.goods.statuses()
        sound()
        keys = list(Effect.objects.values_list("key", flat=True))
        return {key: keys.count(key) for key in keys}


Cast = Callable[[Shop], "dict[str, Callable[[], Any]]"]
Verify = Callable[[Shop, "dict[str, int]"], None]


# On Postgres a worker's way has so many stops that `make model` alone takes them all.
SAMPLE = 8 if THRIFTY and bootstrap.TEST_DATABASE == "postgres" else None


def play(
    on: Stage,
    goods: Table,
    cast: Cast,
    verify: Verify,
    *,
    keys: int,
    sample: int | None = SAMPLE,
) -> None:
    shop: list[Shop] = []

    def prepare() -> dict[str, Callable[[], Any]]:
        shop[:] = [Shop(goods, keys)]
        return cast(shop[0])

    def verified(answers: dict[str, Any]) -> None:
        no_error(answers)
        verify(shop[0], shop[0].close())

    explore(on, Scene(prepare, verified), preemptions=BRIEF, sample=sample)


def test_two_workers_handle_each_row_once(two: Stage, goods: Table) -> None:
    def verify(shop: Shop, handled: dict[str, int]) -> None:
        assert handled == {"1": 1}

    play(two, goods, lambda s: {"anna": s.errand, "ben": s.errand}, verify, keys=1)


def untold(shop: Shop) -> None:
    """The first row is handled, but its table has not heard of it."""
    with patch.object(ForeignTableSource, "publish_outcomes", lambda *_: None):
        run = Run.objects.latest("seq")
        source = source_of(run)
        lease = claiming.claim(source, Ask(run.pk, "worker"))
        assert lease
        lease.claimed = source.confirm(lease.claimed)
        shop.settle(run, source, lease)
    Run.objects.update(position=None)  # so that the next claim looks at it again


def told_late(two: Stage, goods: Table, *, sample: int | None = SAMPLE) -> None:
    """One worker, while what an earlier one did is told to the table."""

    def cast(shop: Shop) -> dict[str, Callable[[], Any]]:
        untold(shop)
        return {"anna": shop.errand, "ben": shop.reconcile}

    def verify(shop: Shop, handled: dict[str, int]) -> None:
        assert handled == {"1": 1, "2": 1}

    play(two, goods, cast, verify, keys=2, sample=sample)


def test_a_row_that_is_told_late_is_not_handled_again(two: Stage, goods: Table) -> None:
    told_late(two, goods)


def test_who_wants_a_row_again_gets_it_once_more_and_no_more(two: Stage, goods: Table) -> None:
    def verify(shop: Shop, handled: dict[str, int]) -> None:
        assert handled == {"1": 1 + shop.wanted_again}

    play(two, goods, lambda s: {"anna": s.errand, "ben": s.want_again}, verify, keys=1)


def test_a_worker_that_is_robbed_handles_nothing_a_third_time(two: Stage, goods: Table) -> None:
    def verify(shop: Shop, handled: dict[str, int]) -> None:
        assert set(handled) == {"1"}
        assert handled["1"] <= 2  # by the one that was robbed, and by the next

    with override_settings(LEASE_SECONDS=0):
        play(two, goods, lambda s: {"anna": s.errand, "ben": s.reap}, verify, keys=1)


def test_death_anywhere_on_an_errand_leaves_no_row_behind(goods: Table) -> None:
    shop: list[Shop] = []

    def prepare() -> dict[str, Callable[[], Any]]:
        shop[:] = [Shop(goods)]
        return {"anna": shop[0].errand}

    def verify(answers: dict[str, Any]) -> None:
        handled = shop[0].close()
        assert set(handled) == {"1", "2"}
        assert sum(handled.values()) <= 3  # the one that was in hand perhaps twice

    with without_wakes(), stage("anna") as alone:
        assert kill_everywhere(alone, Scene(prepare, verify)) > 3


@pytest.mark.skipif(
    bootstrap.TEST_DATABASE == "sqlite", reason="a claim holds the one writer's lock"
)
def test_without_the_second_look_a_row_would_be_handled_twice(two: Stage) -> None:
    """The negative control of mode C's second look."""
    table = table_of("C")

    with (
        patch.object(ForeignTableSource, "confirm", lambda _, claimed: claimed),
        pytest.raises(AssertionError),
    ):
        told_late(two, table, sample=None)
    table.drop()
