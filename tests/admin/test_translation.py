"""Every text that a person reads goes through Django's translation.

The pages are made under a language in which each translated text stands in ⟦brackets⟧. What is
left outside of them must be data: names, numbers, times, codes.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.utils.translation import trans_real

from processors.handlers import registry
from processors.models import Processor
from tests.admin.conftest import NASTY
from tests.browser.pages import LONG, PAGES, filled

pytestmark = pytest.mark.django_db

READ_OUT = {"placeholder", "title", "aria-label", "alt", "data-announce", "data-done"}
OF_CODE = {"pre", "code", "script", "style", "textarea"}
CODE_CLASSES = {"key", "error"}
VOID = {"input", "link", "meta", "br", "img", "hr", "col", "rect", "line", "circle"}
UNITS = {"min", "ms", "kB", "MB", "UTC", "CET", "CEST"}
# What the samples say, and names that are the same in every language.
DATA = [
    LONG.strip(),
    LONG,
    "A sentence about it",
    NASTY,
    "ValueError",
    "sample.send",
    "anna",
    "shop_order",
    "Recordmill",
    "Viewer",
    "Operator",
    "Editor",
    "Admin",
    "Redis",
    "Europe/Berlin",
]
WORD = re.compile(r"[A-Za-z]{2,}")


class Bracketed:
    """English, with each text in brackets."""

    def __init__(self) -> None:
        self.english = trans_real.translation("en-us")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.english, name)

    def gettext(self, text: str) -> str:
        return f"⟦{text.rsplit(trans_real.CONTEXT_SEPARATOR, 1)[-1]}⟧"

    def ngettext(self, one: str, many: str, count: int) -> str:
        return self.gettext(one if count == 1 else many)


class Visible(HTMLParser):
    """What a person sees or is read of a page, with the element that it is in."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, bool]] = []
        self.found: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        for name in READ_OUT & set(given):
            self.found.append((f"{tag} {name}", given[name]))
        if tag == "input" and given.get("type") in ("submit", "button"):
            self.found.append(("button", given.get("value", "")))
        if tag not in VOID:
            is_code = tag in OF_CODE or bool(CODE_CLASSES & set(given.get("class", "").split()))
            self.open.append((tag, is_code))

    def handle_endtag(self, tag: str) -> None:
        while self.open and tag not in VOID and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if data.strip() and not any(is_code for _, is_code in self.open):
            self.found.append((self.open[-1][0] if self.open else "", data))


def outside(text: str) -> str:
    """What stands in no bracket."""
    depth, kept = 0, []
    for sign in text:
        depth += (sign == "⟦") - (sign == "⟧")
        kept.append(" " if depth or sign == "⟧" else sign)
    return "".join(kept)


def untranslated(html: str, data: list[str]) -> Iterator[str]:
    page = Visible()
    page.feed(html)
    for where, text in page.found:
        left = outside(text)
        for one in data:
            left = left.replace(one, " ")
        if set(WORD.findall(left)) - UNITS:
            yield f"<{where}> {' '.join(text.split())[:150]}"


def sample_data() -> list[str]:
    """The longest first, so that none is cut by a part of it."""
    handlers = [text for one in registry.all() for text in (one.label, one.name)]
    names = [text for one in Processor.objects.all() for text in (one.name, one.slug)]
    people = list(User.objects.values_list("username", flat=True))
    every = [*DATA, *handlers, *names, *people, *settings.QUEUES]
    return sorted({text for text in every if text}, key=len, reverse=True)


@pytest.fixture
def _bracketed() -> Iterator[None]:
    active: Any = vars(trans_real)["_active"]  # what `activate` sets for this thread
    active.value = Bracketed()
    yield
    del active.value


@pytest.mark.usefixtures("_bracketed")
def test_no_text_of_a_page_goes_around_translation(admin: Client) -> None:
    seen = filled()
    wrong: dict[str, str] = {}
    data = sample_data()

    for name, address in PAGES.items():
        html = admin.get(address(seen), follow=True).content.decode()
        wrong |= dict.fromkeys(untranslated(html, data), name)

    assert not wrong, "\n".join(f"{name}: {text}" for text, name in wrong.items())
