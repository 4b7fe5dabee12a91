"""Tabs count what the search and the other filters leave."""

import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.urls import reverse

from processors.admin import tabs
from processors.models import Run
from tests.admin.conftest import SignIn, a_batch, a_processor, a_run, an_active_run

pytestmark = pytest.mark.django_db

RUNS = "/admin/processors/run/"
PROCESSORS = "/admin/processors/processor/"


def counts(client: Client, url: str, **given: str) -> dict[str, str]:
    html = client.get(url, given).content.decode()
    nav = html[html.index('class="tabs"') : html.index("</nav>", html.index('class="tabs"'))]
    return dict(re.findall(r'>([A-Z][a-z ]+) <span class="pill">([^<]+)<', nav))


def make_runs() -> None:
    orders, letters = a_processor("orders"), a_processor("letters")
    a_run(orders, 1)
    a_run(orders, 2, dead=1, claimed=1)
    a_run(orders, 3, state="failed")
    a_run(letters, 1, state="stopped", trigger="schedule")
    an_active_run(letters, 2)


def test_each_tab_of_the_runs_counts_its_own(admin: Client) -> None:
    make_runs()

    assert counts(admin, RUNS) == {
        "All": "5", "Running": "0", "Queued": "1", "Paused": "0", "Failed": "1",
        "With failures": "1", "Succeeded": "1", "Stopped": "1",
    }  # fmt: skip


def test_a_run_is_queued_until_a_worker_takes_records_of_it(admin: Client) -> None:
    waiting, running, paused = (an_active_run(a_processor(slug)) for slug in ("a", "b", "c"))
    a_batch(running, claimed=3)
    Run.objects.filter(pk=paused.pk).update(state="paused")
    a_batch(paused, claimed=3)

    def found(state: str) -> list[int]:
        context = admin.get(RUNS, {"state": state}).context_data or {}
        return [run.pk for run in context["cl"].result_list]

    assert found("queued") == [waiting.pk]
    assert found("running") == [running.pk]
    assert found("paused") == [paused.pk]
    assert len(found("active")) == 3
    assert counts(admin, RUNS, state="active")["Active"] == "3"


def test_counts_follow_search_and_filters_but_not_the_tab_itself(admin: Client) -> None:
    make_runs()

    assert counts(admin, RUNS, q="letters")["All"] == "2"
    due = counts(admin, RUNS, trigger="schedule", state="failed")
    assert (due["All"], due["Stopped"], due["Failed"]) == ("1", "1", "0")
    assert counts(admin, RUNS, state="failed")["All"] == "5"


def test_each_tab_of_the_processors_counts_its_own(admin: Client) -> None:
    make_runs()
    a_processor("broken", fault_reason="The table is gone.")
    a_processor("started", state="started")

    assert counts(admin, PROCESSORS) == {
        "All": "4", "Running": "1", "Started": "1", "Paused": "0", "Stopped": "2", "Faulted": "1",
    }  # fmt: skip


def test_nothing_hidden_is_counted(sign_in: SignIn) -> None:
    make_runs()
    hidden = a_processor("hidden")
    a_run(hidden)
    hidden.groups.add(Group.objects.create(name="others"))

    assert counts(sign_in("view_run"), RUNS)["All"] == "5"


def test_a_count_stops_at_its_cap(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    make_runs()
    monkeypatch.setattr(tabs, "COUNT_CAP", 2)

    monkeypatch.setattr(tabs, "FILTERED_CAP", 1)

    assert counts(admin, RUNS)["All"] == "2+"
    assert counts(admin, RUNS, trigger="manual")["All"] == "1+"
    assert "<span>2+ runs</span>" in admin.get(RUNS).content.decode()


def test_of_a_whole_table_about_how_many_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite keeps no estimate")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_class SET reltuples = 1234567 WHERE relname = 'processors_run'")
    monkeypatch.setattr(tabs, "COUNT_CAP", 0)
    monkeypatch.setattr(tabs, "FILTERED_CAP", 0)

    assert tabs.counted(Run.objects.order_by()) == "about 1,200,000"
    assert tabs.counted(Run.objects.filter(state="failed").order_by()) == "0+"


def test_a_tab_keeps_the_search_and_leaves_the_page(admin: Client) -> None:
    make_runs()

    html = admin.get(RUNS, {"q": "letters", "p": "1"}).content.decode()

    assert "?q=letters&amp;state=failed" in html


def test_a_tab_keeps_the_other_filters(admin: Client) -> None:
    make_runs()
    orders = str(Run.objects.get(seq=3).processor_id)

    html = admin.get(RUNS, {"processor": orders, "trigger": "manual"}).content.decode()

    assert f"?processor={orders}&amp;state=failed&amp;trigger=manual" in html


def test_a_run_that_is_slow_for_its_processor_is_marked(admin: Client) -> None:
    processor = a_processor()
    runs = [a_run(processor, seq) for seq in range(1, 8)]
    Run.objects.filter(pk=runs[-1].pk).update(started_at=runs[-1].started_at - timedelta(days=365))

    html = admin.get(RUNS).content.decode()

    assert html.count("usually 1 min") == 2  # as a title, and for who cannot see it
    assert reverse("admin:processors_run_changelist") == RUNS


@pytest.mark.parametrize(
    ("given", "index"),
    [
        ({"state": "succeeded"}, "run_succeeded"), ({"state": "failures"}, "run_with_failures"),
        ({"state": "stopped"}, "run_stopped"), ({"state": "failed"}, "run_failed"),
        ({"state": "paused"}, "run_"), ({"state": "running"}, "run_"),
        ({"state": "queued"}, "run_"), ({"trigger": "retry"}, "run_by_trigger"), ({}, "run_newest"),
    ],
)  # fmt: skip
def test_every_tab_of_the_runs_has_an_index(
    admin: Client, given: dict[str, str], index: str
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("the plans of Postgres")
    make_runs()
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
    context = admin.get(RUNS, given).context_data or {}

    assert index in context["cl"].queryset[:50].explain()
