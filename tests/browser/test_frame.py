"""Keys, dialogs and the tab, in a real browser."""

from collections.abc import Callable

import pytest

from processors.models import Record, Run
from tests import bootstrap
from tests.admin.conftest import a_failed_record, a_processor, a_run
from tests.browser.conftest import Visit

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    bootstrap.once("a page's script asks no database"),
]


# A page waits for the second of two keys no longer than a person takes; a test may take longer.
NO_HURRY = "window.setTimeout = () => 0"


def test_keys_lead_around_and_rest_while_somebody_types(visit: Visit) -> None:
    a_processor()
    page = visit("/admin/")

    page.keyboard.press("?")
    page.wait_for_selector("#keys[open]")
    page.keyboard.press("Escape")
    page.wait_for_selector("#keys:not([open])", state="attached")
    page.evaluate(NO_HURRY)
    page.keyboard.press("g")
    page.keyboard.press("p")
    page.wait_for_url("**/processor/")
    page.keyboard.press("/")
    page.keyboard.type("gr?l/")

    assert page.input_value("#searchbar") == "gr?l/"
    assert page.url.endswith("/processor/")
    assert not page.is_visible("#keys")


def test_a_menu_closes_where_it_led_to_by_escape_and_by_a_click_elsewhere(visit: Visit) -> None:
    page = visit(a_processor().get_absolute_url())
    more = page.locator(".menu > summary")

    closes: tuple[Callable[[], object], ...] = (
        lambda: page.click(".menu a[href='#settings']"),
        lambda: page.keyboard.press("Escape"),
        lambda: page.click("h1"),
    )
    for close in closes:
        more.click()
        assert page.is_visible(".menu ul")
        close()
        assert not page.is_visible(".menu ul")


def test_run_with_opens_over_the_page_and_begins_a_run(visit: Visit) -> None:
    processor = a_processor()
    page = visit(processor.get_absolute_url())

    page.click("text=Run with…")
    page.wait_for_selector("dialog[open] #limit")
    page.keyboard.press("Escape")
    page.wait_for_selector("[aria-labelledby=dialog-title]", state="detached")
    page.click("text=Run with…")
    page.fill("dialog #limit", "3")
    page.click("dialog button[name=seen]")
    page.wait_for_url("**/run/*/change/")

    assert Run.objects.get().claim_limit == 3


def test_the_tab_shows_trouble_as_it_comes_and_goes(visit: Visit) -> None:
    processor = a_processor()
    page = visit("/admin/")
    assert page.title() == "Overview | Recordmill"

    a_failed_record(processor, a_run(processor))
    page.wait_for_selector("#favicon[href*=trouble]", state="attached")
    assert page.title() == "(1) Overview | Recordmill"

    Record.objects.update(state="skipped")
    page.wait_for_selector("#favicon:not([href*=trouble])", state="attached")
    assert page.title() == "Overview | Recordmill"
