"""Every page at both widths and in both schemes: nothing axe finds, no sideways scrolling, and
(by the fixtures) nothing on the console, where a breach of the security policy is told too."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from django.contrib.auth.models import User

from processors import pause_all
from processors.acts import by_command_line
from tests import bootstrap
from tests.browser.conftest import Visit, session_of
from tests.browser.pages import LONG, PAGES, SENT, filled

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.timeout(900),  # hundreds of looks
    pytest.mark.django_db(transaction=True),
    bootstrap.once("pages look alike on both"),
]

WIDTHS = (390, 1440)
# What is asked in each scheme: in the second, what colours have a say in.
SCHEMES: dict[str, dict[str, Any]] = {
    "light": {},
    "dark": {"runOnly": ["color-contrast", "link-in-text-block"]},
}
AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
# Without preload: it would write styles into the page, which our policy refuses.
RUN_AXE = """async (asked) => (
  await axe.run(document, {preload: false, resultTypes: ["violations"], ...asked})
).violations.map(
  (one) => [one.id, one.nodes.map((node) => node.html.slice(0, 160)).join("\\n   ")])"""
# What is pressed and is too low for it.
LOW = """() => [...document.querySelectorAll("main summary, main button, main select")]
  .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 24)
  .map((one) => one.outerHTML.slice(0, 80))"""
# What a page's button does, without the page.
SEND = """([url, fields]) => {
  const form = Object.assign(document.createElement("form"), {method: "post", action: url});
  const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
  for (const [name, value] of Object.entries({csrfmiddlewaretoken: token, ...fields})) {
    form.append(Object.assign(document.createElement("textarea"), {name, value}));
  }
  document.body.append(form);
  form.submit();
}"""
# A page that renews itself while it is looked at would lose what axe has in hand.
AT_REST = """{
  const usual = window.setTimeout;
  window.setTimeout = (act, ...given) => act.name === "poll" ? 0 : usual(act, ...given);
}"""
# A browser says so itself when a page's answer is one of these.
TOLD = ("status of 400", "status of 403", "status of 404")


def at_rest(visit: Visit) -> Any:
    """The overview; it and the pages that are opened after it stay as they are."""
    page = visit("/admin/", reduced_motion="reduce")
    page.add_init_script(AT_REST)
    page.reload()
    return page


def findings(page: Any, name: str) -> Iterator[str]:
    """What is wrong with the open page, in each scheme and at each width."""
    page.evaluate(AXE)
    for (scheme, asked), width in product(SCHEMES.items(), WIDTHS):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 900})
        where = f"{name}, {scheme}, {width}"
        for rule, nodes in page.evaluate(RUN_AXE, asked):
            yield f"{where}: {rule}\n   {nodes}"
        if page.evaluate("document.documentElement.scrollWidth") > width:
            yield f"{where}: scrolls sideways"
        if low := page.evaluate(LOW):
            yield f"{where}: too low to be pressed: {low}"


def send(page: Any, url: str, fields: dict[str, str]) -> None:
    page.goto("/admin/processors/processor/")
    with page.expect_navigation():
        page.evaluate(SEND, [url, fields])


def test_no_page_has_a_barrier_or_scrolls_sideways(visit: Visit) -> None:
    seen = filled()
    page = at_rest(visit)
    found: list[str] = []

    for name, address in PAGES.items():
        page.goto(address(seen))
        found += findings(page, name)

    assert not found, "\n".join(found)


def test_no_page_that_asks_or_refuses_has_a_barrier(visit: Visit, console: list[str]) -> None:
    seen = filled()
    page = at_rest(visit)
    found: list[str] = []

    for name, sent in SENT.items():
        send(page, *sent(seen))
        found += findings(page, name)
    page.goto("/admin/processors/run/0/change/")
    found += findings(page, "not found")
    page.goto("/admin/")
    send(page, "/admin/", {"csrfmiddlewaretoken": "old"})
    found += findings(page, "form too old")
    page.context.add_cookies([session_of(User.objects.create_user("eve", is_staff=True), page.url)])
    for path in ("/admin/", "/admin/health/"):
        page.goto(path)
        found += findings(page, f"{path} without a right")
    page.context.clear_cookies()
    page.goto("/admin/")
    found += findings(page, "login")
    console[:] = [line for line in console if not any(told in line for told in TOLD)]

    assert not found, "\n".join(found)


def test_dialogs_and_the_banner_of_a_pause_have_no_barrier(visit: Visit) -> None:
    seen = filled()
    pause_all.pause_all(by_command_line(LONG))
    page = at_rest(visit)
    found = list(findings(page, "all paused"))

    page.keyboard.press("?")
    page.wait_for_selector("#keys[open]")
    found += findings(page, "keys")
    pause_all.resume_all(by_command_line())  # else no run may begin
    page.goto(seen["of_table"].get_absolute_url())
    page.click("text=Run with…")
    page.wait_for_selector("dialog[open] #limit")
    found += findings(page, "run with, as a dialog")

    assert not found, "\n".join(found)
