"""Acts on many runs: failed records are retried, old runs deleted after a page that counts."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from processors.admin import acts, run_acts, run_page
from processors.models import Event, Record, Run
from tests.admin.conftest import (
    SignIn,
    a_failed_record,
    a_failing_run,
    a_processor,
    a_run,
    an_active_run,
    said,
)
from tests.test_retention import an_old_run

pytestmark = pytest.mark.django_db

RUNS = "/admin/processors/run/"


def choose(client: Client, action: str, *runs: Run, **more: str) -> Any:
    chosen = {"action": action, "_selected_action": [str(run.pk) for run in runs]}
    return client.post(RUNS, chosen | more)


def chosen_on(page: Any) -> str:
    found = re.search(r'name="chosen" value="([^"]+)"', page.content.decode())
    assert found is not None
    return found[1]


def test_a_page_counts_what_would_be_deleted_and_then_it_is(admin: Client) -> None:
    processor = a_processor()
    old, young = an_old_run(processor, 1), a_run(processor, 2)
    a_run(processor, 3)

    page = choose(admin, "delete_chosen", old, young, reason="Typed beside the menu")
    html = page.content.decode()
    assert 'value="Typed beside the menu"' in html
    assert "1 run, 1 batch, 0 attempts, 2 audit lines" in html
    assert "1 chosen run stays" in html
    assert Run.objects.count() == 3

    sent = {"chosen": chosen_on(page), "reason": "A rehearsal"}
    answer = admin.post(f"{RUNS}purge/", sent, follow=True).content.decode()

    assert "Deleted: 1 run," in answer
    assert sorted(run.seq for run in Run.objects.all()) == [2, 3]
    assert Event.objects.get(action="purge").reason == "1 run deleted: A rehearsal"


def test_only_who_may_delete_is_offered_it(sign_in: SignIn) -> None:
    processor = a_processor()
    old = an_old_run(processor, 1)
    a_run(processor, 2)
    viewer, cleaner = sign_in("view_run"), sign_in("view_run", "delete_run")

    assert "Delete…" not in viewer.get(RUNS).content.decode()
    assert "Delete…" in cleaner.get(RUNS).content.decode()
    sent = {"chosen": chosen_on(choose(cleaner, "delete_chosen", old))}
    assert viewer.post(f"{RUNS}purge/", sent).status_code == 403
    assert cleaner.post(f"{RUNS}purge/", {"chosen": "made up"}).status_code == 400
    assert Run.objects.count() == 2


def test_runs_of_a_hidden_processor_are_not_deleted(sign_in: SignIn) -> None:
    processor = a_processor()
    old = an_old_run(processor, 1)
    a_run(processor, 2)
    cleaner = sign_in("view_run", "delete_run")
    sent = {"chosen": chosen_on(choose(cleaner, "delete_chosen", old))}
    processor.groups.add(Group.objects.create(name="others"))

    cleaner.post(f"{RUNS}purge/", sent)

    assert Run.objects.filter(pk=old.pk).exists()


def test_failed_records_of_chosen_runs_are_retried_after_a_question(admin: Client) -> None:
    processor = a_processor()
    first, second = a_run(processor, 1), a_run(processor, 2)
    for run in (first, second):
        a_failed_record(processor, run, f"INVOICE-{run.seq}")

    page = choose(admin, "retry_failed", first).content.decode()

    assert "1 record is tried again" in page
    assert "INVOICE-1" in page
    assert "INVOICE-2" not in page
    assert Record.objects.filter(state="dead").count() == 2


def test_a_run_offers_to_retry_those_of_its_failed_records_that_are_left(admin: Client) -> None:
    run = a_failing_run(*(f"INVOICE-{number}" for number in range(run_page.FAILURES + 2)))
    Run.objects.update(claimed=run_page.FAILURES + 2, dead=run_page.FAILURES + 2)
    assert "Retry 17 failed…" in admin.get(run.get_absolute_url()).text

    newest = list(Record.objects.order_by("-pk").values_list("pk", flat=True)[: run_page.FAILURES])
    Record.objects.filter(pk__in=newest).update(state="ready", failed_at=None)

    assert "Retry 2 failed…" in admin.get(run.get_absolute_url()).text

    Record.objects.update(state="ready", failed_at=None)

    assert "failed…" not in admin.get(run.get_absolute_url()).text


def test_runs_without_failed_records_have_nothing_to_retry(admin: Client) -> None:
    run = a_run(a_processor(), 1)

    answer = choose(admin, "retry_failed", run)

    assert (
        "No record of these runs needs attention."
        in admin.get(answer.headers["Location"]).content.decode()
    )


def test_runs_that_go_on_are_stopped_and_of_the_others_it_says_why_not(admin: Client) -> None:
    orders, invoices = a_processor(state="started"), a_processor("invoices")
    going, ended = an_active_run(orders, 5), a_run(invoices, 4)

    asked = choose(admin, "stop_chosen", going, ended, reason="A wrong price list")
    assert Run.objects.get(pk=going.pk).state == "running"
    assert 'name="reason" value="A wrong price list"' in asked.content.decode()
    answer = choose(admin, "stop_chosen", going, ended, confirmed="1", reason="A wrong price list")

    assert "Stopped: 1 of 2." in said(answer)
    assert "Run 4 of Invoices has ended." in said(answer)
    orders.refresh_from_db()
    assert (orders.state, Run.objects.get(pk=going.pk).state) == ("stopped", "stopping")
    event = Event.objects.get(action="stop", run=None)
    assert (event.processor, event.reason) == (orders, "A wrong price list")


def test_only_who_may_operate_is_offered_to_stop_runs(sign_in: SignIn) -> None:
    going = an_active_run(a_processor(state="started"))
    viewer, operator = sign_in("view_run"), sign_in("view_run", "operate_processor")

    choose(viewer, "stop_chosen", going, confirmed="1")

    assert Run.objects.get().state == "running"
    assert 'value="stop_chosen"' not in viewer.get(RUNS).content.decode()
    assert 'value="stop_chosen"' in operator.get(RUNS).content.decode()


def test_a_run_of_a_hidden_processor_is_not_stopped(sign_in: SignIn) -> None:
    processor = a_processor(state="started")
    going = an_active_run(processor)
    processor.groups.add(Group.objects.create(name="others"))

    choose(sign_in("view_run", "operate_processor"), "stop_chosen", going, confirmed="1")

    assert Run.objects.get().state == "running"
    assert not Event.objects.exists()


def test_of_too_many_chosen_runs_those_that_go_on_come_first(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (acts, run_acts):
        monkeypatch.setattr(module, "BULK_CEILING", 2)
    processor = a_processor(state="started")
    going = an_active_run(processor, 1)
    ended = [a_run(processor, seq) for seq in (2, 3)]

    answer = choose(admin, "stop_chosen", going, *ended, confirmed="1")

    assert "Stopped: 1 of 2." in said(answer)
    assert "At most 2 at once: choose the others again." in said(answer)
