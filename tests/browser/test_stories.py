"""An operator's day in a browser: a schedule is set, work is held back with a reason and let go on,
failures are retried, a limit is changed; the acts with JavaScript switched off."""

import pytest
from playwright.sync_api import expect

from processors.models import Event, Processor, Record
from tests import bootstrap
from tests.admin.conftest import (
    a_failed_record,
    a_failing_run,
    a_processor,
    a_run,
    a_started_processor,
)
from tests.browser.conftest import Visit
from tests.test_retention import an_old_run

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    bootstrap.once("what these acts do to a database tests/admin asks of both"),
]

OFF = {"java_script_enabled": False}


def test_a_processor_is_scheduled_by_cron_and_its_next_start_is_shown(visit: Visit) -> None:
    page = visit("/admin/processors/processor/add/")
    page.fill("#id_name", "Nightly prices")
    page.select_option("#id_handler", "demo.price_order")
    page.select_option("#id_trigger_kind", "cron")
    page.fill("#id_cron", "30 2 * * *")
    page.fill("#id_time_zone", "Asia/Tokyo")  # without summer time: each day has a 02:30
    page.wait_for_selector("#schedule-preview:has-text('At 02:30')")
    expect(page.locator("#schedule-preview li")).to_have_count(5)

    page.click("button:has-text('Save')")
    page.wait_for_selector("text=start it when you are ready")
    page.click(".acts button:has-text('Start')")
    page.wait_for_selector("text=was started")

    expect(page.locator("[data-live=facts]")).to_contain_text("At 02:30 (Asia/Tokyo)")
    processor = Processor.objects.get()
    assert processor.next_due_at is not None
    page.goto("/admin/")
    assert "Nightly prices" in page.text_content("section:has(h2:has-text('Next 24 hours'))")


def test_work_is_paused_with_a_reason_that_others_read_and_resumed(visit: Visit) -> None:
    processor = a_started_processor()
    page = visit(processor.get_absolute_url(), **OFF)

    page.click(".acts button:has-text('Pause')")
    page.fill("#reason", "CRM maintenance")
    page.select_option("#length", "3600")
    page.click("form.narrow button:has-text('Pause')")

    expect(page.locator(".messagelist")).to_contain_text("goes on by itself")
    assert Processor.objects.get().paused_until is not None
    page.goto("/admin/processors/run/")
    assert "CRM maintenance" in page.text_content("body")  # a banner on every page
    page.goto(processor.get_absolute_url())
    page.click(".acts button:has-text('Resume')")
    expect(page.locator(".messagelist")).to_contain_text("goes on")
    assert Processor.objects.get().is_started


def test_a_kind_of_error_is_retried_and_another_discarded(visit: Visit) -> None:
    run = a_failing_run("A-0", "A-1")
    a_failed_record(run.processor, run, "B-1", error_type="KeyError", fingerprint="e" * 32)
    page = visit("/admin/processors/record/", **OFF)

    page.click("tr:has-text('ValueError') button:has-text('Retry all…')")
    expect(page.locator("form.narrow")).to_contain_text("2 records are tried again")
    page.click("form.narrow button")
    expect(page.locator(".messagelist")).to_contain_text("2 records are tried again.")
    page.click("tr:has-text('KeyError') button:has-text('Discard all…')")
    page.fill("#reason", "Sent twice by mistake")
    page.click("form.narrow button")

    expect(page.locator(".messagelist")).to_contain_text("1 record was discarded.")
    states = Record.objects.order_by("key").values_list("state", flat=True)
    assert list(states) == ["ready", "ready", "skipped"]
    assert Event.objects.get(action="discard").reason == "Sent twice by mistake"


def test_a_limit_is_changed_and_a_processor_stopped(visit: Visit) -> None:
    processor = a_started_processor()
    page = visit(processor.get_absolute_url(), **OFF)

    page.fill("#limit_batch_size", "50")
    page.click("button:has-text('Change limits')")
    expect(page.locator(".messagelist")).to_contain_text("batch size: 500 → 50")
    page.click(".acts button:has-text('Stop')")
    page.fill("#reason", "Enough for today")
    page.click("form.narrow button:has-text('Stop')")

    expect(page.locator(".messagelist")).to_contain_text("was stopped")
    processor.refresh_from_db()
    assert (processor.batch_size, processor.state) == (50, "stopped")


def test_runs_are_narrowed_taken_away_and_deleted(visit: Visit) -> None:
    orders = a_processor("orders")
    old = an_old_run(orders, 1)
    a_run(orders, 2)
    a_run(a_processor("letters"), 3)
    page = visit("/admin/processors/run/", **OFF)

    page.click("a[aria-label='Only Orders'] >> nth=0")
    expect(page.locator("#result_list tbody tr")).to_have_count(2)
    with page.expect_download() as download:
        page.click("text=Export CSV")
    lines = download.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert [line.split(",")[0] for line in lines] == ["Processor", "Orders", "Orders"]
    page.check(f"input[name=_selected_action][value='{old.pk}']")
    page.select_option("select[name=action]", "delete_chosen")
    page.click(".action-row button:text-is('Go')")
    page.click("form.narrow button:has-text('Delete runs')")

    expect(page.locator(".messagelist")).to_contain_text("Deleted: 1 run")
    assert not orders.runs.filter(pk=old.pk).exists()
