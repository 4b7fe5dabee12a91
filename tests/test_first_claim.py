"""The first claim of a shift in one statement: it takes what the usual way takes, or nothing."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django import forms
from django.db import connection

from processors import control, cycle
from processors.clock import database_now
from processors.cycle import readiness
from processors.cycle.readiness import Readiness
from processors.cycle.rehearsal import NOTHING, rehearse
from processors.cycle.shift import open_shift
from processors.cycle.watch import Parked
from processors.handlers import Context
from processors.handlers.contract import Handler
from processors.models import Attempt, Batch, Installation, Processor, Record, Run
from processors.protocol import claiming, first_claim, leases
from processors.protocol.gate import Ask
from processors.protocol.working import Equipment, source_of
from tests.factories import make_batch
from tests.lost_answers import lose_first_answer
from tests.stories import act, counted_statements, counters, define, fill_inbox, numbered
from tests.tables import Table

pytestmark = pytest.mark.usefixtures("goods", "clean_ledger")
on_postgres = pytest.mark.skipif(
    connection.vendor == "sqlite", reason="SQLite takes several statements"
)
# What differs from one claim to the next.
OWN = {"id", "run_id", "token"}


def begun(slug: str = "story", **definition: Any) -> Run:
    """A run with records to claim, of several priorities."""
    processor = define("echo", slug=slug, name=slug, **definition)
    fill_inbox(processor, numbered(5))
    Record.objects.filter(processor=processor, key="key-0003").update(priority=5)
    return control.run_once(processor.pk, act())


def ask(run: Run, **given: Any) -> Ask:
    return Ask(run.pk, "a worker", **given)


def plain(lease: leases.Lease) -> tuple[Any, ...]:
    """A lease and its row, without what is its own."""
    [row] = Batch.objects.filter(pk=lease.batch_id, token=lease.token).values()
    said = {name: value for name, value in row.items() if name not in OWN | {"keys"}}
    times = [said.pop(name) is not None for name in ("lease_until", "opened_at")]
    lasts = row["lease_until"] - row["opened_at"]
    claimed = [(c.key, c.payload, c.visit, c.number, c.is_expired) for c in lease.claimed]
    in_order = [c.ref for c in lease.claimed] == lease.keys == row["keys"]
    return said, times, lasts, claimed, in_order, lease.in_hand, lease.slot, lease.owner


@pytest.fixture
def goods(transactional_db: None) -> Iterator[Table]:
    table = Table()
    yield table
    table.drop()


@on_postgres
def test_slots_of_other_runs_are_no_matter() -> None:
    run = begun()
    make_batch(slot=0)

    taken = first_claim.claim_at_once(source_of(run), ask(run))

    assert taken is not None
    assert taken.lease.slot == 0


@on_postgres
@pytest.mark.parametrize("hand", [1, 4])
@pytest.mark.parametrize("definition", [{}, {"batch_size": 2, "concurrency": 2, "parallelism": 3}])
def test_one_statement_takes_what_the_usual_way_takes(
    definition: dict[str, Any], hand: int
) -> None:
    one, other = (begun(slug, **definition) for slug in ("one", "other"))

    quick = first_claim.claim_at_once(source_of(one), ask(one, hand=hand))
    usual = claiming.claim(source_of(other), ask(other, hand=hand))

    assert quick is not None
    assert usual is not None
    assert plain(quick.lease) == plain(usual)
    assert quick.lease.claimed[0].key == "key-0003"
    said = [lease.limits for lease in (quick.lease, usual)]
    assert len({(s.parallelism, s.batch_size, s.concurrency) for s in said}) == 1
    assert (quick.run.config, quick.run.started_at) == (one.config, one.started_at)


def of_run(**columns: Any) -> Callable[[Run], object]:
    return lambda run: Run.objects.filter(pk=run.pk).update(**columns)


def of_processor(**columns: Any) -> Callable[[Run], object]:
    return lambda run: Processor.objects.filter(pk=run.processor_id).update(**columns)


def of_records(**columns: Any) -> Callable[[Run], object]:
    return lambda _: Record.objects.update(**columns)


def full(run: Run) -> None:
    for slot in range(2):
        make_batch(run, slot=slot)


HINDRANCES = [
    of_run(state="pausing"),
    of_run(claim_limit=3),
    of_run(ceiling="0"),
    of_processor(rate_limits=["1/h"]),
    lambda _: Installation.objects.update(home="elsewhere"),
    of_processor(blackouts=["Sat,Sun"]),
    of_records(alone=True),
    lambda _: Installation.objects.update(paused_at=database_now()),
    full,
]


@pytest.mark.parametrize("hinder", HINDRANCES)
def test_what_is_not_plain_is_left_to_the_usual_way(hinder: Callable[[Run], object]) -> None:
    run = begun()
    hinder(run)
    before = Batch.objects.count()

    assert first_claim.claim_at_once(source_of(run), ask(run)) is None

    assert Batch.objects.count() == before
    assert not Record.objects.filter(state="claimed").exists()


def test_a_claim_that_only_retries_leaves_what_is_new() -> None:
    run = begun()

    assert first_claim.claim(source_of(run), ask(run, ledger_only=True)) is None
    Record.objects.filter(key="key-0001").update(maybe_seen=True)
    lease = first_claim.claim(source_of(run), ask(run, ledger_only=True))

    assert lease is not None
    assert [claimed.key for claimed in lease.claimed] == ["key-0001"]


def test_a_record_under_suspicion_still_travels_alone() -> None:
    run = begun()
    Record.objects.update(alone=True)

    lease = first_claim.claim(source_of(run), ask(run))

    assert lease is not None
    assert lease.size == 1


def test_a_table_is_claimed_from_in_the_usual_way(goods: Table) -> None:
    goods.fill([1, 2])
    run = control.run_once(define("echo", goods.source()).pk, act())

    lease = first_claim.claim(source_of(run), ask(run))

    assert lease is not None
    assert lease.size == 2


@on_postgres
def test_a_shift_takes_two_statements_to_its_first_batch() -> None:
    run = begun()
    open_shift(run.pk)  # prepares
    first_claim.claim(source_of(run), ask(run, ledger_only=True))

    with counted_statements() as asked:
        shift = open_shift(run.pk)
        assert shift is not None
        lease = shift.commits.claims.first()

    assert lease is not None
    assert len(asked) == 2


@pytest.fixture
def ready() -> Iterator[None]:
    """What a spare child has found out and made is put aside afterwards."""
    yield
    Readiness.equipment = {}
    if Parked.one is not None:
        Parked.one.start()
        Parked.one.close()
        Parked.one = None


@on_postgres
def test_a_child_that_is_ready_takes_one_statement_to_its_first_batch(ready: None) -> None:
    begun("former")
    run = begun("story")
    rehearse()

    with counted_statements() as asked:
        shift = open_shift(run.pk)
        assert shift is not None
        lease = shift.commits.claims.first()

    assert len(asked) == 1
    assert lease is not None
    assert (shift.run.pk, shift.run.config, lease.size) == (run.pk, run.config, 5)
    assert Batch.objects.count() == 1


@on_postgres
def test_a_ready_child_whose_claim_was_not_answered_blames_no_record(
    ready: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begun()
    rehearse()
    lose_first_answer(monkeypatch, first_claim, "claim_at_once")

    cycle.work(run.pk)

    run.refresh_from_db()
    assert counters(run) == {"claimed": 10, "done": 5, "released": 5}
    assert not Attempt.objects.exists()


@on_postgres
def test_a_child_looks_first_where_a_run_works_with_something_else(ready: None) -> None:
    begun("former")
    rehearse()
    run = begun("story", max_attempts=2)

    assert readiness.take_up(run.pk) is None

    shift = open_shift(run.pk)
    assert shift is not None
    assert shift.commits.claims.first() is not None


def test_options_of_a_form_are_cleaned_when_the_job_comes() -> None:
    class Wishes(forms.Form):
        pass

    def nothing(record: Any, context: Context) -> None:
        return

    asks = Handler("asks", "Ask", nothing, options=Wishes)

    assert not readiness.is_lasting(Equipment(asks, {}))
    assert readiness.is_lasting(Equipment(NOTHING, None))


@on_postgres
def test_rehearsing_leaves_nothing(ready: None) -> None:
    begun()
    before = Record.objects.count()

    rehearse()

    assert not Batch.objects.exists()
    assert not Record.objects.filter(state="claimed").exists()
    assert Record.objects.count() == before
