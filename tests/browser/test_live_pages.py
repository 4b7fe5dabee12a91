"""Pages that renew themselves, in a real browser: what they renew, and what they leave alone."""

import re
import time
from typing import Any

import pytest

from processors.clock import database_now
from processors.models import Batch, BulkAct, Processor, Run
from tests import bootstrap
from tests.admin.conftest import a_batch, a_failed_record, a_processor, a_run, an_active_run
from tests.browser.conftest import Visit

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    bootstrap.once("a page's script asks no database"),
]

SLOW_SECONDS = 2


def a_working_run() -> Run:
    run = an_active_run(a_processor(), expected=100)
    a_batch(run, claimed=100, done=10)
    return run


def go_on(run: Run, done: int) -> None:
    Batch.objects.filter(run=run).update(done=done)


def is_poll(answer: Any) -> bool:
    return bool(answer.request.headers.get("x-live") == "1" and answer.status == 200)


def test_live_can_be_switched_off_and_stays_off(visit: Visit) -> None:
    run = a_working_run()
    page = visit(run.get_absolute_url())

    page.click("#live")
    assert "Live off" in page.text_content("#live")
    page.reload()
    assert "Live off" in page.text_content("#live")
    go_on(run, 42)
    page.click("#live")

    page.wait_for_selector("text=42 of 100")
    assert page.get_attribute("#live", "aria-pressed") == "true"


def test_open_details_and_selected_text_are_left_alone(visit: Visit) -> None:
    run = a_working_run()
    page = visit(run.get_absolute_url())
    page.click("[data-live=timeline] summary")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('[data-live=facts]'))")

    go_on(run, 42)
    for _ in range(2):  # the first may have been asked for before
        with page.expect_response(is_poll) as answer:
            pass
    assert "42 of 100" in answer.value.text()
    assert page.is_visible("[data-live=timeline] details[open]")
    assert "10 of 100" in page.text_content("[data-live=facts]")
    page.evaluate("getSelection().removeAllRanges()")

    page.wait_for_selector("text=42 of 100")
    assert page.is_visible("[data-live=timeline] details[open]")


def test_a_live_page_leaves_alone_what_is_in_use(visit: Visit) -> None:
    run = an_active_run(a_processor(), expected=100)
    batch = a_batch(run, claimed=100, done=10)
    page = visit(run.get_absolute_url())
    page.fill("#act-reason", "half a sent")

    batch.done = 42
    batch.save()

    page.wait_for_selector("text=42 of 100")
    assert page.input_value("#act-reason") == "half a sent"


def test_a_live_page_says_when_it_lost_the_server(visit: Visit, console: list[str]) -> None:
    run = an_active_run(a_processor())
    page = visit(run.get_absolute_url())

    page.route("**/*", lambda route: route.abort())
    page.wait_for_selector("text=Live updates paused")
    page.unroute("**/*")
    page.wait_for_selector("#live-lost", state="hidden")
    console[:] = [line for line in console if "ERR_FAILED" not in line]


def test_an_act_on_many_shows_its_progress_by_itself(visit: Visit) -> None:
    processor = a_processor()
    act = BulkAct.objects.create(
        what="retry", words="all", actor="anna", expected=900, moved={str(processor.pk): 300},
        started_at=processor.created_at, seen_at=processor.created_at,
    )  # fmt: skip
    page = visit(act.get_absolute_url())
    assert "300 of about 900" in page.text_content("main")

    act.note({processor.pk: 500}, processor.created_at)
    page.wait_for_selector("text=800 of about 900")
    act.end(processor.created_at)

    page.wait_for_selector(".badge:has-text('Finished')")


def test_a_finished_run_is_announced_once_and_no_longer_asked_for(visit: Visit) -> None:
    run = a_working_run()
    page = visit(run.get_absolute_url())
    Batch.objects.filter(run=run).update(
        state="closed", close_reason="completed", closed_at=run.started_at, done=100
    )
    Run.objects.filter(pk=run.pk).update(
        state="finished", ended_at=run.started_at, claimed=100, done=100
    )

    page.wait_for_selector("#live:has-text('Final')")

    assert "Succeeded" in page.text_content("#announcer")
    assert page.is_visible("[data-live=badge] .badge.ok")


def test_new_runs_wait_for_the_person(visit: Visit) -> None:
    processor = a_processor()
    a_run(processor, 1)
    page = visit("/admin/processors/run/")
    a_run(processor, 2)

    page.wait_for_selector("#news:has-text('+1 new')")
    assert page.locator("#result_list tbody tr").count() == 1
    page.click("#news")

    page.wait_for_selector("#result_list tbody tr:nth-child(2)")


def test_times_tick_without_the_server(visit: Visit) -> None:
    processor = a_processor()
    a_failed_record(processor, a_run(processor))
    page = visit("/admin/processors/record/?state=all")
    first = page.text_content("#result_list time")

    page.wait_for_function(
        "first => document.querySelector('#result_list time').textContent !== first", arg=first
    )


def test_times_are_the_servers_however_late_the_script_comes(visit: Visit) -> None:
    run = a_working_run()
    page = visit(run.get_absolute_url())
    Run.objects.filter(pk=run.pk).update(started_at=database_now())

    def come_late(route: Any) -> None:
        time.sleep(SLOW_SECONDS + 0.2)  # a network as slow as that
        route.continue_()

    page.route("**/live.js", come_late)
    page.goto(run.get_absolute_url())

    shown = page.text_content("[data-live=facts] time[data-tick=ago]")
    assert int(re.sub(r"\D", "", shown) or 0) >= SLOW_SECONDS, shown


def test_who_was_signed_out_is_told(visit: Visit) -> None:
    run = a_working_run()
    page = visit(run.get_absolute_url())
    page.context.clear_cookies()

    page.wait_for_selector("#signed-out:visible")

    assert "next=" in page.get_attribute("#signed-out a", "href")


def test_a_cron_line_is_explained_while_it_is_typed(visit: Visit) -> None:
    page = visit("/admin/processors/processor/add/")
    page.select_option("#id_trigger_kind", "cron")
    assert not page.is_visible("#schedule-preview")

    page.fill("#id_cron", "0 3 * * *")
    page.wait_for_selector("#schedule-preview:has-text('At 03:00')")
    page.fill("#id_cron", "0 99 * * *")

    page.wait_for_selector("#schedule-preview:has-text('Hour must be')")


def test_the_settings_can_be_copied(visit: Visit) -> None:
    page = visit(a_run(a_processor()).get_absolute_url())
    page.click("text=The settings it ran with")

    page.click("[data-copy=config]")

    page.wait_for_function("document.getElementById('announcer').textContent !== ''")


def test_a_traceback_is_copied_or_selected(visit: Visit) -> None:
    record = a_failed_record(a_processor(), a_run(Processor.objects.get()))
    page = visit(f"/admin/processors/record/{record.pk}/change/")

    page.click("button[data-copy=payload]")

    page.wait_for_function("document.getElementById('announcer').textContent !== ''")
    said = page.text_content("#announcer")
    assert said in ("Copied.", "Selected: copy it with the keyboard.")
