"""Retake the pictures of the documents from a demo that is running: `make screenshots`.

Every page in light and dark, 1440 and 390 pixels wide, into docs/images; the demo gets a month of
history first (picture_history.py). Only the few that a document shows are kept in the repository.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from dotenv import dotenv_values
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
WIDTHS = (1440, 390)
SCHEMES = ("light", "dark")
PAGES = {
    "overview": "/admin/",
    "processors": "/admin/processors/processor/",
    "schedule": "/admin/schedule/",
    "queues": "/admin/queues/",
    "jobs": "/admin/queues/jobs/?queue=default&place=failed",
    "runs": "/admin/processors/run/",
    "failed-records": "/admin/processors/record/",
    "records": "/admin/processors/record/?state=attention",
    "records-none": "/admin/processors/record/?q=nothing",
    "events": "/admin/processors/event/",
    "health": "/admin/health/",
    "bulk": "/admin/bulk/1/",
    "add": "/admin/processors/processor/add/",
    "import": "/admin/processors/processor/import/",
    "pause-all": "/admin/pause-all/",
    "not-found": "/admin/processors/run/0/change/",
}
# Name, the list to begin on, and the link on it that leads to the page.
ACTIVE = "/admin/processors/run/?state=active"
FAILED = "/admin/processors/record/?state=attention&q=error:GeocodingError"
FOLLOWED = (
    ("processor", "/admin/processors/processor/", "a:text-is('Geocode shipments')"),
    ("processor-paused", "/admin/processors/processor/", "a:text-is('Export to the warehouse')"),
    ("processor-active", "/admin/processors/processor/", "a:text-is('Partner notifications')"),
    ("run", "/admin/processors/run/?state=failures&q=Orders", "a:text-is('#1')"),
    ("run-active", ACTIVE, "a.name"),
    ("record", FAILED, "a.key"),
)
# Pages that belong to one of those: the end of its address, and theirs.
BESIDE = (
    ("processor-active", "versions"), ("processor", "run-with"), ("processor-active", "force-stop"),
    ("processor", "access"), ("processor", "delete"), ("processor", "limits"), ("record", "edit"),
    ("processor", "add-records"),
)  # fmt: skip


class Shown(NamedTuple):
    """A picture that a document shows: `NAME.png` in docs/images. Sizes in pixels."""

    name: str
    page: str
    height: int
    width: int = 1440
    scheme: str = "light"


SHOWN = (
    Shown("overview", "overview", 1180),
    Shown("processor", "processor", 1000),
    Shown("run", "run-active", 900),
    Shown("errors", "failed-records", 760),
    Shown("record", "record", 1000),
    Shown("small", "processors", 844, 390, "dark"),
)


class NoDemo(Exception):
    """No demo is running in this clone."""


class NotShown(Exception):
    """A page that is to be taken does not come up."""


def demo() -> tuple[str, str]:
    """Address and password of the demo of this clone. Raises NoDemo."""
    password = ROOT / "var" / "demo-password"
    # The launcher writes what it chose; a PORT that was given to it must be given here as well.
    port = os.environ.get("PORT") or dotenv_values(ROOT / "var" / "local.env").get("PORT")
    if port is None or not password.is_file():
        raise NoDemo("Start `make demo` in another terminal first, with the same PORT if any.")
    return f"http://127.0.0.1:{port}", password.read_text().strip()


def sign_in(page: Page, base: str, password: str) -> None:
    page.goto(f"{base}/admin/login/?next=/admin/")
    page.fill("#id_username", "admin")
    page.fill("#id_password", password)
    page.click("[type=submit]")
    page.wait_for_url(f"{base}/admin/")


def fill(page: Page, base: str) -> None:
    """Something to see: a month of history, and every processor that is stopped is started."""
    subprocess.run([sys.executable, "-m", "docs.picture_history"], cwd=ROOT, check=True)
    page.goto(f"{base}/admin/processors/processor/")
    while page.get_by_role("button", name="Start").count():
        page.get_by_role("button", name="Start").first.click()
        page.wait_for_load_state()
    subprocess.run([sys.executable, "-m", "docs.picture_history", "work"], cwd=ROOT, check=True)


def addresses(page: Page, base: str) -> Iterator[tuple[str, str]]:
    """Name and address of every page."""
    yield from PAGES.items()
    found = {}
    for name, path, link in FOLLOWED:
        found[name] = follow(page, base + path, f"#content {link}")
    yield from found.items()
    for owner, name in BESIDE:
        path = found[owner].partition("?")[0].removesuffix("change/")
        yield f"{owner}-{name}", f"{path}{name}/"


def follow(page: Page, listed: str, link: str) -> str:
    """Where a list leads to; what is still on its way, as an active run, is waited for."""
    for _ in range(60):
        page.goto(listed)
        found = page.locator(link)
        if found.count():
            return str(found.first.get_attribute("href"))
        page.wait_for_timeout(1_000)
    raise NotShown(f"{listed} has no {link}: begin anew with an empty var/.")


def take(browser: Browser, base: str, password: str, found: Mapping[str, str]) -> None:
    for scheme in SCHEMES:
        for width in WIDTHS:
            context = open_context(browser, width, 900, scheme)
            page = context.new_page()
            page.goto(f"{base}/admin/login/")
            page.screenshot(path=IMAGES / f"login-{scheme}-{width}.png")
            sign_in(page, base, password)
            for name, path in found.items():
                page.goto(base + path)
                # As high as the page: what sticks to the window's edge then lies where it belongs.
                high = page.evaluate("document.documentElement.scrollHeight")
                page.set_viewport_size({"width": width, "height": max(900, high)})
                page.screenshot(path=IMAGES / f"{name}-{scheme}-{width}.png")
                page.set_viewport_size({"width": width, "height": 900})
            context.close()


def take_shown(browser: Browser, base: str, password: str, found: Mapping[str, str]) -> None:
    """Those that are kept: cut at a height, so that they stay small."""
    for shown in SHOWN:
        context = open_context(browser, shown.width, shown.height, shown.scheme)
        page = context.new_page()
        sign_in(page, base, password)
        page.goto(base + found[shown.page])
        page.screenshot(path=IMAGES / f"{shown.name}.png")
        context.close()


def open_context(browser: Browser, width: int, height: int, scheme: str) -> BrowserContext:
    return browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if scheme == "dark" else "light",
    )


def main() -> int:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    try:
        base, password = demo()
    except NoDemo as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        sign_in(page, base, password)
        fill(page, base)
        found = dict(addresses(page, base))
        take(browser, base, password, found)
        take_shown(browser, base, password, found)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
