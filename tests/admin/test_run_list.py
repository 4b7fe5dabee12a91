"""The list of runs is narrowed by worker, duration and age, and searched by errors and workers."""

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.db.models import F
from django.test import Client
from django.test.utils import CaptureQueriesContext

from processors.admin import run_filters, run_workers
from processors.clock import database_now
from processors.models import Attempt, Batch, Run
from tests.admin.conftest import a_batch, a_failed_record, a_processor, a_run, an_active_run

pytestmark = pytest.mark.django_db

QUERIES = 30
RUNS = "/admin/processors/run/"


def shown(client: Client, **given: str) -> list[int]:
    """The numbers of the runs that the list shows."""
    context = client.get(RUNS, given).context_data or {}
    return sorted(run.seq for run in context["cl"].result_list)


def lasting(seq: int, minutes: int) -> None:
    Run.objects.filter(seq=seq).update(started_at=F("ended_at") - timedelta(minutes=minutes))


def two_runs() -> tuple[Run, Run]:
    processor = a_processor()
    return a_run(processor, 1), a_run(processor, 2)


def test_runs_are_found_by_a_worker_in_all_its_processes(admin: Client) -> None:
    first, second = two_runs()
    for pid in (71, 72):
        a_batch(first, owner=f"north:{pid}:aaaa1111", slot=pid)
    a_batch(second, owner="south:71:bbbb2222")

    html = admin.get(RUNS, {"worker": "aaaa1111"}).content.decode()

    assert shown(admin, worker="aaaa1111") == [1]
    assert shown(admin, q="worker:south") == [2]
    assert shown(admin, q="bbbb22") == [2]
    assert html.count("north aaaa1111") == 3  # as what is chosen, to choose from, and in its row


def test_a_run_names_its_workers_and_of_many_only_their_number(admin: Client) -> None:
    first, second = two_runs()
    a_batch(first, owner="north:71:aaaa1111")
    for slot in range(3):
        a_batch(second, owner=f"south:7{slot}:bbbb222{slot}", slot=slot)

    html = admin.get(RUNS).content.decode()

    assert "<div>north aaaa1111<a" in html
    assert '<span title="south bbbb2220, south bbbb2221, south bbbb2222">3 workers</span>' in html


def test_the_workers_of_all_rows_are_one_question_that_looks_at_few_batches(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two_runs()
    for slot in range(4):
        a_batch(first, owner=f"north:7{slot}:aaaa111{slot}", slot=slot)
    a_batch(second, owner="south:71:bbbb2222")
    monkeypatch.setattr(run_workers, "BATCHES", 2)

    with CaptureQueriesContext(connection) as asked:
        run_workers.with_workers([first, second])

    assert len(asked) == 1
    assert [len(run.workers) for run in (first, second)] == [2, 1]  # type: ignore[attr-defined]


def test_a_run_whose_workers_fell_silent_tells_no_time_left(admin: Client) -> None:
    run = an_active_run(a_processor(), expected=100)
    a_batch(run, claimed=90, done=90)
    assert re.search(r"about [^<]+ left", admin.get(RUNS).content.decode())
    silent = database_now() + timedelta(seconds=settings.LEASE_SECONDS / 2 - 1)
    Batch.objects.update(lease_until=silent)

    html = admin.get(RUNS).content.decode()

    assert "Stalled?" in html
    assert not re.search(r"about [^<]+ left", html)


def test_a_run_that_the_machine_stopped_says_why(admin: Client) -> None:
    first, _ = two_runs()
    Run.objects.filter(pk=first.pk).update(state="failed", fault_reason="The table is gone.\nMore.")

    assert ">The table is gone.</div>" in admin.get(RUNS).content.decode()


def test_runs_of_a_worker_that_is_long_gone_are_none(admin: Client) -> None:
    two_runs()

    html = admin.get(RUNS, {"worker": "gone0000"}).content.decode()

    assert "Nothing matches." in html
    assert "gone0000</strong>" in html


def test_runs_are_found_by_how_long_they_took_or_take(admin: Client) -> None:
    first, _ = two_runs()
    lasting(1, minutes=11)
    active = an_active_run(first.processor, 3)
    Run.objects.filter(pk=active.pk).update(started_at=database_now() - timedelta(hours=2))

    assert shown(admin, longer="60") == [1, 3]
    assert shown(admin, longer="3600") == [3]
    assert shown(admin, longer="x") == [1, 2, 3]


def test_what_a_filter_looks_through_is_bounded_and_told(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_runs()
    lasting(1, minutes=11)
    monkeypatch.setattr(run_filters, "WINDOW", 1)

    assert shown(admin, longer="60") == []
    assert "among the newest 10,000" in admin.get(RUNS, {"longer": "60"}).content.decode()
    assert "among the newest" not in admin.get(RUNS).content.decode()


def test_runs_are_found_by_what_went_wrong_in_them(admin: Client) -> None:
    first, second = two_runs()
    a_failed_record(first.processor, first)
    Attempt.objects.update(message="The partner refused the tax number.")
    Run.objects.filter(pk=second.pk).update(state="failed", fault_reason="The table is gone.")

    assert shown(admin, q='error:"tax number"') == [1]
    assert shown(admin, q="table is gone") == [2]
    assert shown(admin, q="error:ValueError") == [1]
    assert shown(admin, q="error:KeyError") == []


def test_a_name_finds_the_processor_as_well_as_errors_that_tell_of_it(admin: Client) -> None:
    two_runs()
    other = a_run(a_processor("letters"), 3)
    Run.objects.filter(pk=other.pk).update(state="failed", fault_reason="No Orders table.")

    assert shown(admin, q="orders") == [1, 2, 3]


def test_old_runs_are_found_by_their_age(admin: Client) -> None:
    two_runs()
    Run.objects.filter(seq=1).update(started_at=database_now() - timedelta(days=50))

    assert shown(admin, since="30+") == [1]
    assert shown(admin, since="30") == [2]
    assert shown(admin, since="90+") == []


def test_a_runs_page_leads_to_the_other_runs_of_a_worker(admin: Client) -> None:
    first, _ = two_runs()
    a_batch(first, owner="north:71:aaaa1111", state="closed", closed_at=first.ended_at)

    assert f"{RUNS}?worker=aaaa1111" in admin.get(first.get_absolute_url()).content.decode()


@pytest.mark.parametrize("given", [{"q": "north"}, {"worker": "aaaa1111"}])
def test_a_look_through_the_newest_runs_is_made_once_for_a_page(
    admin: Client, given: dict[str, str]
) -> None:
    first, _ = two_runs()
    a_batch(first, owner="north:71:aaaa1111")
    admin.get(RUNS, given)

    with CaptureQueriesContext(connection) as asked:
        admin.get(RUNS, given)

    statements = [query["sql"] for query in asked]
    limit = f"LIMIT {run_filters.FOUND}"
    looks = [one for one in statements if limit in one and "COUNT(" not in one]
    assert looks
    assert len(looks) == len(set(looks))
    assert len(statements) <= QUERIES


def test_who_began_a_run_is_told_where_it_was_a_person(admin: Client) -> None:
    processor = a_processor()
    a_run(processor, 1, actor="anna")
    a_run(processor, 2, actor="recordmill", trigger="schedule")

    for address in ("/admin/processors/run/", processor.get_absolute_url()):
        html = admin.get(address).content.decode()
        assert '<span class="quiet who" title="anna">anna</span>' in html
        assert "recordmill</span>" not in html
