"""Retake the pictures of the documents from a demo that is running: `make screenshots`.

Every page in light and dark, 1440 and 390 pixels wide, into docs/images.
"""

import os
import shutil
import sys
from pathlib import Path

from dotenv import dotenv_values
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
WIDTHS = (1440, 390)
SCHEMES = ("light", "dark")
PAGES = {
    "overview": "/admin/",
    "processors": "/admin/processors/processor/",
    "processor": "/admin/processors/processor/1/change/",
    "runs": "/admin/processors/run/",
    "run": "/admin/processors/run/1/change/",
    "failed-records": "/admin/processors/record/",
    "events": "/admin/processors/event/",
}


class NoDemo(Exception):
    """No demo is running in this clone."""


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
    """Something to see: every processor that is stopped is started."""
    page.goto(f"{base}/admin/processors/processor/")
    while page.get_by_role("button", name="Start").count():
        page.get_by_role("button", name="Start").first.click()
        page.wait_for_load_state()
    page.wait_for_timeout(8_000)


def take(browser: Browser, base: str, password: str) -> None:
    for scheme in SCHEMES:
        for width in WIDTHS:
            context = browser.new_context(
                viewport={"width": width, "height": 900},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            page = context.new_page()
            sign_in(page, base, password)
            for name, path in PAGES.items():
                page.goto(base + path)
                page.screenshot(path=IMAGES / f"{name}-{scheme}-{width}.png")
            context.close()
    shutil.copy(IMAGES / "processors-light-1440.png", IMAGES / "processors.png")


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
        take(browser, base, password)
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
