"""The measurements work and notice when a record is not handled exactly once; no time counts."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client

from benchmarks import drain, picture, visiting
from benchmarks.databases import Goods
from benchmarks.findings import Finding, as_markdown
from benchmarks.labour import Labour, body
from benchmarks.product import Setup
from benchmarks.servers import open_site
from benchmarks.verification import (
    NotOnce,
    check_counters,
    check_results,
    check_statuses,
    check_trace,
)
from benchmarks.watching import family
from tests import bootstrap
from tests.servers import ManagedProcess

RECORDS = 500


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """The trace of records 1 to 3, each handled once."""
    for number in range(1, 4):
        Labour("noop", str(tmp_path)).do(number, body(number))
    return tmp_path


@pytest.mark.slow
def test_a_drain_handles_every_record_once_and_compares_with_the_bare_loop() -> None:
    setup = Setup(batch_size=100)
    plan = drain.Plan(RECORDS, bootstrap.TEST_DATABASE, ("table", "inbox"), ("bare",), 1, setup)

    finding = drain.measure(plan)

    assert {row[0] for row in finding.rows} == {
        "Recordmill, table",
        "Recordmill, inbox",
        "bare loop",
    }
    assert all(row[1] == RECORDS for row in finding.rows)
    assert finding.ratios["bare loop"] == 1


@pytest.mark.slow
def test_both_databases_fill_the_table_with_the_bodies_that_are_checked() -> None:
    with open_site(bootstrap.TEST_DATABASE) as site:
        database = site.open_database()
        goods = Goods(database)

        goods.refill(3)

        rows = database.run("SELECT body FROM goods ORDER BY id")
        assert [text for (text,) in rows] == [body(number) for number in (1, 2, 3)]
        assert goods.statuses() == {"NEW": 3}
        assert not goods.is_done()
        database.close()


def test_a_trace_without_fault_passes(trace: Path) -> None:
    check_trace(trace, 3)


def test_a_record_that_was_handled_twice_is_noticed(trace: Path) -> None:
    Labour("noop", str(trace)).do(2, body(2))

    with pytest.raises(NotOnce, match="handled more than once: 2"):
        check_trace(trace, 3)


def test_a_record_that_was_not_handled_is_noticed(trace: Path) -> None:
    with pytest.raises(NotOnce, match="not handled, or wrongly: 4"):
        check_trace(trace, 4)


def test_a_record_that_was_handled_wrongly_is_noticed(trace: Path) -> None:
    Labour("noop", str(trace)).do(4, "another body")

    with pytest.raises(NotOnce, match="wrongly: 4"):
        check_trace(trace, 4)


def test_a_wrong_result_is_noticed() -> None:
    with pytest.raises(NotOnce, match="without the right result: 1"):
        check_results({"1": "not its hash"}, 1)


def test_rows_that_are_not_all_done_are_noticed() -> None:
    with pytest.raises(NotOnce, match="should be DONE"):
        check_statuses({"DONE": 9, "TAKEN": 1}, 10)


def test_a_run_that_had_to_try_again_is_noticed() -> None:
    names = ("claimed", "done", "skipped", "retried", "dead", "parked", "crashed", "released")
    report = dict.fromkeys(names, 0) | {"claimed": 11, "done": 10, "retried": 1}

    with pytest.raises(NotOnce, match="retried"):
        check_counters(report, 10)


def test_a_finding_is_shown_as_a_table_with_its_notes() -> None:
    finding = Finding("drain", "Ten", ["", "ratio"], [["bare", 1.0], ["other", None]], ["A note."])

    text = as_markdown(finding)

    assert "| bare  |     1 |" in text
    assert "| other |     - |" in text
    assert text.endswith("A note.")


def test_the_picture_shows_every_contender() -> None:
    text = picture.draw("Shares", "of a bare loop", {"bare loop": 1.0, "Recordmill, table": 0.8})

    assert ">Recordmill, table</text>" in text
    assert ">0.8</text>" in text


@pytest.fixture
def parent(tmp_path: Path) -> Iterator[ManagedProcess]:
    """A process with a child."""
    command = ["sh", "-c", "sleep 60 & wait"]
    process = ManagedProcess(command, env={"PATH": "/usr/bin:/bin"}, log=tmp_path / "log")
    yield process
    process.stop(5)


def test_processor_time_is_counted_for_a_process_and_its_children(parent: ManagedProcess) -> None:
    from tests.waiting import wait_until

    wait_until(lambda: len(family(parent.pid)) == 2)

    assert family(parent.pid)[0] == parent.pid


@pytest.mark.django_db
def test_a_file_to_download_is_no_page_to_wait_for(admin_client: Client) -> None:
    assert visiting.with_links(admin_client, "/admin/processors/run/export.csv") == []
    assert visiting.with_links(admin_client, "/admin/processors/run/") != []
