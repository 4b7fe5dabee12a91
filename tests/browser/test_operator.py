"""What an operator does all day, in a real browser under the real security policy."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from playwright.sync_api import expect

from processors.models import Event, Processor, Record, Run
from tests.admin.conftest import (
    a_failing_run,
    a_processor,
    a_started_processor,
    an_active_run,
)
from tests.browser.conftest import Visit
from tests.conftest import StartWorker

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


MAKE_TABLE = """
CREATE TABLE customer_order
  (id integer NOT NULL PRIMARY KEY, status varchar(10), customer varchar(50), xml text)
"""


@pytest.fixture
def table(transactional_db: None) -> Iterator[None]:
    """A table of the user's with forty orders that their handler will refuse, one by one."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS customer_order")
        cursor.execute(MAKE_TABLE)
        for number in range(1, 41):
            cursor.execute(
                "INSERT INTO customer_order VALUES (%s, 'NEW', %s, '')", [number, f"No. {number}"]
            )
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE customer_order")


def fill_in(page: Any) -> None:
    """By the form's own controls: what can be chosen is chosen, nothing is known by heart."""
    page.fill("#id_name", "Customer orders")
    page.select_option("#id_handler", "demo.price_order")
    page.wait_for_selector("#id_option_currency")
    page.select_option("#id_option_currency", "CHF")
    page.select_option("#id_source_kind", "table")
    page.fill("#id_table", "customer_order")
    page.press("#id_table", "Tab")
    page.wait_for_selector("select#id_key")
    page.fill("#id_payload", "customer, xml")
    page.fill("#id_filter", "id <= 30")
    page.select_option("#id_breaker_on", "no")  # every record is to fail


def test_a_table_processor_is_defined_previewed_started_watched_and_stopped(
    visit: Visit, table: None, start_worker: StartWorker
) -> None:
    page = visit("/admin/processors/processor/add/")
    assert not page.is_visible("#id_table")
    fill_in(page)
    assert (page.input_value("#id_key"), page.input_value("#id_status")) == ("id", "status")
    assert page.is_visible(".offer .badge:has-text('NEW'):has-text('40')")

    page.select_option("#id_key", "xml")
    page.fill("#id_payload", "customer")
    page.click("button:has-text('Preview')")
    page.wait_for_selector(".row:has(#id_key) .error")

    page.select_option("#id_key", "id")
    page.fill("#id_payload", "customer, xml")
    page.click("button:has-text('Preview')")
    expect(page.locator("#preview table").first).to_contain_text("NEW")
    assert Processor.objects.count() == 0

    page.click("button:has-text('Save')")
    page.wait_for_selector("text=start it when you are ready")
    assert Processor.objects.get().options["currency"] == "CHF"
    start_worker("default")
    page.click(".acts button:has-text('Start')")
    page.wait_for_selector("text=was started")
    # The page renews itself: nobody reloads it.
    page.wait_for_selector("[data-live=runs] .badge.warn:has-text('With failures')")
    page.click(".acts button:has-text('Stop')")
    page.fill("#reason", "Enough")
    page.click("form.narrow button:has-text('Stop')")
    page.wait_for_selector("text=was stopped")

    run = Run.objects.order_by("seq").first()
    assert run is not None
    assert (run.claimed, run.dead) == (30, 30)
    page.click("[data-live=runs] a:has-text('#1')")
    failures = page.locator("[data-live=failures]")
    expect(failures).to_contain_text("The order has no XML document.")


def test_the_form_helps_without_a_script(visit: Visit, table: None) -> None:
    page = visit("/admin/processors/processor/add/", java_script_enabled=False)

    page.select_option("#id_handler", "demo.price_order")
    page.click("button:has-text('Show its options')")
    page.select_option("#id_source_kind", "table")
    page.fill("#id_table", "customer_order")
    page.click("button:has-text('Look at it')")

    expect(page.locator("#id_option_vat_percent")).to_have_value("19")
    expect(page.locator("#id_key")).to_have_value("id")
    expect(page.locator(".offer table")).to_contain_text("No. 1")


def test_a_limit_is_changed_live_and_taken_back(visit: Visit) -> None:
    processor = a_processor()
    an_active_run(processor, expected=100)
    page = visit(processor.get_absolute_url())

    page.fill("#limit_batch_size", "50")
    page.click("button:has-text('Change limits')")
    page.wait_for_selector(".messagelist :text('batch size: 500 → 50')")
    assert Processor.objects.get().batch_size == 50
    page.click("button:has-text('Undo')")

    page.wait_for_selector(".messagelist :text('batch size: 50 → 500')")
    assert Processor.objects.get().batch_size == 500


def test_definitions_are_exported_and_imported(visit: Visit, tmp_path: Path) -> None:
    a_processor(handler="demo.notify_partner", batch_size=7)
    page = visit("/admin/processors/processor/")
    with page.expect_download() as download:
        page.click("summary:has-text('More')")
        page.click("text=Export all")
    file = tmp_path / "processors.json"
    download.value.save_as(file)
    Processor.objects.all().delete()

    page.reload()
    page.click("summary:has-text('More')")
    page.click("text=Import…")
    page.set_input_files("#file", file)
    page.click("button:has-text('Show what would change')")
    expect(page.locator(".planned")).to_contain_text("Orders")
    assert not Processor.objects.exists()
    page.click("button:has-text('Save')")

    page.wait_for_selector("text=Imported: 1 created")
    assert Processor.objects.get().batch_size == 7


def test_stop_asks_why_and_the_list_shows_it(visit: Visit) -> None:
    processor = a_started_processor()
    page = visit("/admin/processors/processor/")

    page.click("button:has-text('Stop')")
    page.fill("#reason", "CRM maintenance")
    page.click("form.narrow button:has-text('Stop')")

    page.wait_for_selector("text=was stopped")
    assert page.url.endswith("/admin/processors/processor/")
    assert Event.objects.get(processor=processor, action="stop").reason == "CRM maintenance"
    page.wait_for_selector("button:has-text('Start')")


def test_buttons_work_without_a_script(visit: Visit) -> None:
    a_processor()
    page = visit("/admin/processors/processor/", java_script_enabled=False)

    page.click("button:has-text('Start')")

    expect(page.locator(".messagelist")).to_contain_text("was started")
    assert Processor.objects.get().is_started


def test_failed_records_are_retried_in_bulk(visit: Visit) -> None:
    a_failing_run("A-0", "A-1", "A-2")
    page = visit("/admin/processors/record/?state=attention")

    page.check("#action-toggle")
    page.select_option("select[name=action]", "retry_selected")
    page.click("text=Go")
    page.fill("#reason", "Mended")
    page.click("form.narrow button")

    page.wait_for_selector("text=3 records are tried again.")
    assert Record.objects.filter(state="ready").count() == 3


def test_a_stranger_gets_the_sign_in_page(open_page: Any, live_server: Any) -> None:
    page = open_page(base_url=live_server.url)

    page.goto("/admin/processors/run/")

    assert page.is_visible("input[name=password]")
    assert Client().get("/admin/processors/run/").status_code == 302
