"""The hot statements walk their indexes, whatever the statistics say."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from processors import control, publishing
from processors.clock import database_now
from processors.models import Lane, Record
from processors.protocol import arming, claiming, leases
from processors.protocol.gate import Ask
from processors.protocol.working import source_of
from processors.sources.base import Settlement
from processors.sources.foreign import TOLD_POSTGRES
from processors.sources.ledger_statements import (
    LANES_POSTGRES,
    PICK_POSTGRES,
    SET_ASIDE_POSTGRES,
    SETTLE_RESULTS_POSTGRES,
)
from processors.sources.statements import Statements
from processors.states import CloseReason
from tests.stories import act, define
from tests.tables import Table
from tests.waiting import wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="plans of Postgres"),
]


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


def plan_of(sql: str, params: Sequence[Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", list(params))
        return list(nodes(cursor.fetchone()[0][0]["Plan"]))


def scans(found: list[dict[str, Any]]) -> set[tuple[str, str]]:
    return {
        (node["Node Type"], node.get("Index Name", ""))
        for node in found
        if "Scan" in node["Node Type"] and node["Node Type"] != "CTE Scan"
    }


@pytest.fixture
def goods() -> Iterator[Table]:
    table = Table()
    table.run("INSERT INTO goods (id, name) SELECT n, 'w' FROM generate_series(1, 20000) AS n")
    table.run("ANALYZE goods")  # the statistics of before: everything waits
    table.run("ALTER TABLE goods SET (autovacuum_enabled = off)")
    table.run("UPDATE goods SET status = 'DONE' WHERE id < 19000")
    yield table
    table.drop()


def test_a_tables_claim_walks_the_index_on_status_and_key(goods: Table) -> None:
    processor = define("echo", goods.source())

    found = plan_of(*Statements(processor.source).claim(500, "20000"))

    assert scans(found) == {("Index Scan", "goods_status"), ("Tid Scan", "")}
    assert not any(node["Node Type"] == "Sort" for node in found)


def test_a_tables_settlement_walks_an_index(goods: Table) -> None:
    processor = define("echo", goods.source())
    goods.run("ANALYZE goods")

    found = plan_of(*Statements(processor.source).move(range(19_000, 19_500), "claimed", "done"))

    assert all(kind in ("Index Scan", "Bitmap Heap Scan", "Bitmap Index Scan")
               for kind, _ in scans(found))  # fmt: skip


@pytest.mark.parametrize("kept", ["waiting", "done", "later"])
def test_an_inboxs_claim_walks_the_index_of_ready_records(kept: str) -> None:
    processor = define("echo")
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO processors_record (processor_id, key, visit, state, priority,"
            " available_at, attempts, crashes, alone, maybe_seen, synced, last_error, created_at)"
            " SELECT %s, n, 1, %s, 0, now() + %s * interval '1 day', 0, 0, FALSE, FALSE, TRUE,"
            "        '', now()"
            "   FROM generate_series(1, 20000) AS n",
            [processor.pk, "done" if kept == "done" else "ready", 1 if kept == "later" else -1],
        )
        cursor.execute("ANALYZE processors_record")
    params = (processor.pk, database_now(), 2**62, True, 500, 500, 1)

    found = plan_of(PICK_POSTGRES, params)

    kinds = scans(found)
    assert ("Tid Scan", "") in kinds
    assert not any(kind == "Seq Scan" for kind, _ in kinds)
    assert any(name == "record_ready" for _, name in kinds)
    assert Record.objects.count() == 20_000


def updates() -> tuple[int, int]:
    """Updates of our record table by this session, not reported yet: all, and those in place."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_xact_user_tables"
            " WHERE relname = 'processors_record'"
        )
        all_, in_place = cursor.fetchone()
    return all_, in_place


def nobody_looks_back() -> bool:
    """Versions that a session of an earlier test might still see take the room of new ones."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND coalesce(backend_xmin, backend_xid) IS NOT NULL"
        )
        return not cursor.fetchone()[0]


def test_settling_an_inboxs_records_writes_no_index() -> None:
    wait_until(nobody_looks_back)
    processor = define("echo")
    publishing.publish(processor.slug, [{"key": f"{n}", "payload": {"n": n}} for n in range(200)])
    run = control.run_once(processor.pk, act())
    source = source_of(run)
    lease = claiming.claim(source, Ask(run.pk, "worker"))
    assert lease is not None

    with transaction.atomic():
        before = updates()
        settlement = Settlement(lease.batch_id, run.pk, lease.owner, database_now())
        settlement.done = [(one, None) for one in lease.claimed]
        leases.commit_inside(source, lease, leases.Step(settlement, close=CloseReason.COMPLETED))
        after = updates()

    settled, in_place = after[0] - before[0], after[1] - before[1]
    # A settled version goes beside the claimed one: all but what the ends of pages leave over.
    assert settled == 200
    assert in_place >= 190


def compares_each_with_each(found: list[dict[str, Any]]) -> bool:
    """Whether a list is gone through anew for each row."""
    loops = [node for node in found if node["Node Type"] == "Nested Loop"]
    return any(loop["Plans"][1]["Node Type"] in ("Subquery Scan", "Materialize") for loop in loops)


def test_results_are_not_compared_each_with_each_record() -> None:
    processor = define("echo")
    some_done(processor.pk, 20_000)
    with connection.cursor() as cursor:  # one record a batch is what the statistics expect
        cursor.execute("UPDATE processors_record SET batch_id = id; ANALYZE processors_record")
    ids = list(Record.objects.order_by("-pk").values_list("pk", flat=True)[:1_000])

    settled = plan_of(SETTLE_RESULTS_POSTGRES, (database_now(), ids, ["1"] * len(ids), -1))
    told = plan_of(TOLD_POSTGRES, (ids, ids))

    assert not compares_each_with_each(settled)
    assert not compares_each_with_each(told)


def test_a_tables_results_are_not_compared_each_with_each_row(goods: Table) -> None:
    processor = define("echo", goods.source(result="name"))
    goods.run("DROP INDEX goods_status; UPDATE goods SET name = repeat('w', 200); ANALYZE goods")
    ids = list(range(19_000, 20_000))

    found = plan_of(
        Statements(processor.source).tell_many(), [ids, ["DONE"] * 1_000, ["x"] * 1_000, "TAKEN"]
    )

    assert not compares_each_with_each(found)


def test_what_waits_is_counted_by_its_indexes() -> None:
    processor = define("echo")
    some_done(processor.pk)
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off; SET enable_bitmapscan = off")

    plans = [rows[:100].explain() for rows in processor.records.all().in_their_indexes()]

    assert ["record_ready" in plans[0], "record_ready_alone" in plans[1]] == [True, True]


def test_the_first_deferred_record_is_found_by_an_index() -> None:
    processor = define("echo", trigger={"kind": "arrival"})
    some_done(processor.pk)

    with CaptureQueriesContext(connection) as asked:
        assert arming.earliest_deferred(processor) is None

    for each in asked:
        assert not any(kind == "Seq Scan" for kind, _ in scans(plan_of(each["sql"], ())))


def some_done(processor_id: int, count: int = 5_000) -> None:
    """Many records of which none waits."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO processors_record (processor_id, key, visit, state, priority,"
            " available_at, attempts, crashes, alone, maybe_seen, synced, last_error, created_at)"
            " SELECT %s, n, 1, 'done', 0, now(), 0, 0, FALSE, FALSE, TRUE, '', now()"
            "   FROM generate_series(1, %s) AS n",
            [processor_id, count],
        )
        cursor.execute("ANALYZE processors_record")


def test_what_waits_in_lanes_is_claimed_and_set_aside_by_index() -> None:
    processor = define("echo", rate_limits=["5/min by customer"])
    with connection.cursor() as cursor:
        cursor.execute(
            'INSERT INTO processors_lane (processor_id, "limit", value, free_at, waits, window_at,'
            " used, used_before)"
            " SELECT %s, '5/min by customer', n, now() + n * interval '1 s', n %% 2 = 0, now(),"
            "        0, 0"
            "   FROM generate_series(1, 20000) AS n",
            [processor.pk],
        )
        cursor.execute(
            "INSERT INTO processors_record (processor_id, key, visit, state, priority,"
            " available_at, attempts, crashes, alone, maybe_seen, synced, last_error, created_at,"
            " lane_id)"
            " SELECT processor_id, value, 1, 'ready', 0, now(), 0, 0, FALSE, FALSE, TRUE, '',"
            "        now(), id FROM processors_lane",
        )
        cursor.execute("ANALYZE processors_record; ANALYZE processors_lane")
    lanes = list(Lane.objects.values_list("pk", flat=True)[:500])
    ids = list(Record.objects.values_list("pk", flat=True)[:500])
    now = database_now()

    taken = scans(plan_of(LANES_POSTGRES, (lanes, [1] * 500, processor.pk, 500, 1, now)))
    aside = plan_of(SET_ASIDE_POSTGRES, ("{}", now, ids, 1))
    due = Lane.objects.filter(processor=processor, limit="5/min by customer", waits=True)
    due = due.filter(free_at__lte=now).order_by("free_at")[:500]

    assert {name for _, name in taken} <= {"record_in_lane", ""}
    assert not any(kind == "Seq Scan" for kind, _ in taken | scans(aside))
    assert not any(node["Node Type"] == "Nested Loop" for node in aside)
    assert "lane_due" in due.explain()
