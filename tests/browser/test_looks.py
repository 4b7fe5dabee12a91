"""Every page at both widths and in both schemes: nothing axe finds, no sideways scrolling, and
(by the fixtures) nothing on the console, where a breach of the security policy is told too."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest

from tests.browser.pages import PAGES, filled

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
# Without preload: it would write styles into the page, which our policy refuses.
RUN_AXE = """async () => (await axe.run(document, {preload: false})).violations.map(
  (one) => [one.id, one.nodes.map((node) => node.html.slice(0, 160)).join("\\n   ")])"""


def findings(page: Any, name: str) -> list[str]:
    page.evaluate(AXE)
    found = page.evaluate(RUN_AXE)
    return [f"{name}: {rule}\n   {nodes}" for rule, nodes in found]


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_barrier_or_scrolls_sideways(
    visit: Callable[..., Any], width: int, scheme: str
) -> None:
    seen = filled()
    page = visit("/admin/", viewport={"width": width, "height": 900}, color_scheme=scheme)
    found: list[str] = []

    for name, address in PAGES.items():
        page.goto(address(seen))
        found += findings(page, name)
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append(f"{name}: scrolls sideways")

    assert not found, "\n".join(found)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_sign_in_page_has_no_barrier(
    open_page: Callable[..., Any], live_server: Any, scheme: str
) -> None:
    page = open_page(base_url=live_server.url, color_scheme=scheme)
    page.goto("/admin/login/")

    assert not findings(page, "login")
