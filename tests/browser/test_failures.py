"""From a failing run to mended records, queues, and what a viewer cannot do: in a real browser."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from playwright.sync_api import expect

from processors import cycle
from processors.models import Event, Processor, Record, Run
from processors.queues import wake
from processors.queues.job_facts import jobs_of
from tests import bootstrap
from tests.admin.conftest import a_failed_record, a_processor, a_run
from tests.admin.test_roles import make_roles
from tests.admin.workers import fail_one, list_worker
from tests.browser.conftest import Visit
from tests.stories import define, fill_inbox

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    bootstrap.once("what these acts do to a database tests/admin asks of both"),
]


@pytest.fixture
def visit_as(visit_by: Visit) -> Visit:
    """Opens an address as a member of a role: `visit_as("Viewer", "/admin/")`."""

    def open_one(role: str, path: str, **options: Any) -> Any:
        make_roles()
        user = User.objects.create_user(role.lower(), is_staff=True)
        user.groups.set(Group.objects.filter(name=role))
        return visit_by(user, path, **options)

    return open_one


def test_from_a_failing_run_to_its_error_to_all_of_it_retried(visit: Visit) -> None:
    page = visit("/admin/")
    processor = define("obey")
    fill_inbox(processor, {f"INV-{n}": {"do": "reject"} for n in range(4)})
    page.goto(processor.get_absolute_url())
    page.click("button:has-text('Run once')")
    page.wait_for_selector("text=has begun")
    cycle.work(Run.objects.get().pk)

    page.goto("/admin/processors/record/")
    page.wait_for_selector("td:has-text('Reject')")
    page.click("button:has-text('Retry all…')")
    expect(page.locator("form.narrow")).to_contain_text("4 records are tried again")
    page.fill("#reason", "The other side is back")
    page.click("form.narrow button")

    page.wait_for_selector("text=4 records are tried again.")
    assert Record.objects.filter(state="ready").count() == 4
    assert Event.objects.filter(action="retry", reason="The other side is back").count() == 4


def test_a_record_is_found_walked_past_mended_and_retried(visit: Visit) -> None:
    processor = a_processor()
    run = a_run(processor)
    for number in range(3):
        a_failed_record(processor, run, f"INV-{number}", payload={"city": f"Köln {number}"})
    page = visit("/admin/processors/record/?state=attention")

    page.fill("#searchbar", 'payload.city:"Köln 1"')
    page.press("#searchbar", "Enter")
    expect(page.locator("a.key")).to_have_count(1)
    page.click("a.key")
    page.wait_for_selector("h1:has-text('INV-1')")
    page.goto("/admin/processors/record/?state=attention")
    page.click("a.key >> nth=0")
    page.click("text=Next →")
    page.wait_for_selector("h1:has-text('INV-1')")
    page.click("text=Edit and retry…")
    page.fill("#payload", '{"city": ')
    page.click("text=Save and retry")
    expect(page.locator("#payload-error")).to_contain_text("Line 1")
    page.fill("#payload", '{"city": "Bonn"}')
    page.click("text=Save and retry")

    page.wait_for_selector("text=was edited and is tried again")
    page.wait_for_selector("text=Ready")
    record = Record.objects.get(key="INV-1")
    assert (record.payload, record.state, record.visit) == ({"city": "Bonn"}, "ready", 2)


def test_a_viewer_sees_failures_but_neither_payloads_nor_buttons(visit_as: Visit) -> None:
    record = a_failed_record(a_processor(), a_run(Processor.objects.get()), payload={"c": "Köln"})
    page = visit_as("Viewer", "/admin/processors/record/")

    sections = page.text_content("nav.sections")
    assert "Failed records" in sections
    for word in ("Queues", "Events", "Health"):
        assert word not in sections
    assert page.query_selector("main button:has-text('Retry')") is None
    page.goto(f"/admin/processors/record/{record.pk}/change/")
    assert "You do not have the right to see payloads." in page.text_content("main")
    assert "Köln" not in page.content()
    assert page.query_selector("main button:has-text('Retry')") is None
    page.goto(record.processor.get_absolute_url())
    for word in ("Start", "Stop", "Run once", "Save"):
        assert page.query_selector(f"main button:text-is('{word}')") is None


def test_jobs_are_put_back_and_a_queue_is_emptied_without_a_script(visit: Visit) -> None:
    fail_one(1)
    wake(2, "default", 3)
    list_worker("quiet1112222", silent=90)
    page = visit("/admin/queues/", java_script_enabled=False)
    assert "Silent" in page.text_content("tr.bad-row")

    page.click("button:has-text('Put failed back')")
    expect(page.locator(".messagelist")).to_contain_text("1 failed job went back")
    page.click("button:has-text('Empty…')")
    page.click("form.narrow button")

    told = "4 queued jobs of queue default were deleted."
    expect(page.locator(".messagelist")).to_contain_text(told)
    assert jobs_of("default", "queued", 0, 10) == ([], 0)
