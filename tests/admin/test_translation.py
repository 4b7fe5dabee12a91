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
from django.forms.utils import pretty_name
from django.test import Client
from django.utils.translation import trans_real

from processors.admin.buttons import VERBS
from processors.forms.options import declared
from processors.handlers import registry
from processors.models import Processor
from tests.admin.conftest import NASTY, click
from tests.browser.pages import LONG, PAGES, SENT, filled

pytestmark = pytest.mark.django_db

READ_OUT = {"placeholder", "title", "aria-label", "alt", "data-announce", "data-done"}
OF_CODE = {"pre", "code", "script", "style", "textarea"}
CODE_CLASSES = {"key", "error"}
VOID = {"input", "link", "meta", "br", "img", "hr", "col", "rect", "line", "circle"}
UNITS = {"min", "ms", "kB", "MB", "UTC", "CET", "CEST"}
# What the samples say, names that are the same in every language, and words that Django, cron or
# the fields of a definition bring along.
DATA = [
    LONG.strip(),
    NASTY,
    "<script>alert(…)</script>",
    "ValueError",
    "bigint",
    "character varying",
    "numeric",
    "timestamp with time zone",
    "sample.send",
    "anna",
    "host",
    "abc",
    "shop_order",
    "EUR",
    "mill-1",
    "noeviction",
    "rq",
    "Python",
    "Recordmill",
    "Redis",
    "Viewer",
    "Operator",
    "Editor",
    "Admin",
    "Europe/Berlin",
    "(Berlin)",
    "batch size",
    "options list",
    "At",
    "id",
    "integer",
    "order_no",
    "varchar",
    "customer",
    "xml",
    "text",
    "amount",
    "decimal",
    "status",
    "result",
    "error",
    "slug",
    "name",
    "handler",
    "source",
    "created_at",
    "datetime",
]  # fmt: skip
NOT_OURS = ("users", "password")
FILLER = re.compile(r"K{5,}|N{5,}|(A sentence about it ?)+[A-Za-z ]*…?")
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
        self.depth = 0  # of brackets; a sentence may have elements in it

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        for name in READ_OUT & set(given):
            self.found.append((f"{tag} {name}", outside(given[name])[0]))
        if tag == "input" and given.get("type") in ("submit", "button"):
            self.found.append(("button", outside(given.get("value", ""))[0]))
        if tag not in VOID:
            is_code = tag in OF_CODE or bool(CODE_CLASSES & set(given.get("class", "").split()))
            self.open.append((tag, is_code))

    def handle_endtag(self, tag: str) -> None:
        while self.open and tag not in VOID and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        left, self.depth = outside(data, self.depth)
        if left.strip() and not any(is_code for _, is_code in self.open):
            self.found.append((self.open[-1][0] if self.open else "", left))


def outside(text: str, depth: int = 0) -> tuple[str, int]:
    """What stands in no bracket, and in how many the text ends."""
    kept = []
    for sign in text:
        depth += (sign == "⟦") - (sign == "⟧")
        kept.append(" " if depth or sign == "⟧" else sign)
    return "".join(kept), depth


def untranslated(html: str, data: re.Pattern[str]) -> Iterator[str]:
    page = Visible()
    page.feed(html)
    for where, text in page.found:
        left = FILLER.sub(" ", " ".join(text.split()))
        if set(WORD.findall(data.sub(" ", left))) - UNITS:
            yield f"<{where}> {' '.join(text.split())[:150]}"


def sample_data() -> re.Pattern[str]:
    """The longest first, so that none is cut by a part of it."""
    handlers = [
        text
        for one in registry.all()
        for text in (
            one.label,
            one.name,
            *(" ".join(part.split()) for part in one.doc.split("\n\n")),
        )
    ]
    options = [
        str(text)
        for one in registry.all()
        for name, field in declared(one).items()
        for text in (
            field.label or pretty_name(name),
            field.help_text,
            *dict(getattr(field, "choices", ())),
        )
    ]
    names = [text for one in Processor.objects.all() for text in (one.name, one.slug)]
    people = list(User.objects.values_list("username", flat=True))
    every = [*DATA, *handlers, *options, *names, *people, *settings.QUEUES, *settings.DATABASES]
    longest_first = sorted({text for text in every if text}, key=len, reverse=True)
    return re.compile("|".join(rf"(?<!\w){re.escape(text)}(?!\w)" for text in longest_first))


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
        if name in NOT_OURS:
            continue
        html = admin.get(address(seen), follow=True).content.decode()
        wrong |= dict.fromkeys(untranslated(html, data), name)

    assert not wrong, "\n".join(f"{name}: {text}" for text, name in wrong.items())


def acts(seen: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """What operators send, rightly and wrongly, with what is told on the page that follows."""
    processor, of_table = seen["processor"], seen["of_table"]
    record = seen["record"].pk
    of = "/admin/processors/processor/{}/{}/".format
    return [
        *(sent(seen) for sent in SENT.values()),
        *((of(processor.pk, verb), {"seen": "old"}) for verb in VERBS),
        *(
            (of(of_table.pk, verb), click(of_table))
            for verb in ("start", "pause", "resume", "stop")
        ),
        (of(of_table.pk, "run-with"), click(of_table, limit="x")),
        (of(of_table.pk, "force-stop"), click(of_table, typed_name="x")),
        (of(of_table.pk, "limits"), {"batch_size": "x"}),
        ("/admin/processors/processor/add/", {"name": "", "cron": "x", "trigger_kind": "cron"}),
        ("/admin/processors/processor/import/", {"text": "{"}),
        ("/admin/processors/processor/import/", {"text": '{"slug": "X", "handler": "x"}'}),
        *(
            (f"/admin/processors/record/{record}/{act}/", {})
            for act in ("settle", "retry", "discard")
        ),
        ("/admin/processors/record/many/retry/", {}),
        ("/admin/processors/record/many/discard/", {}),
    ]


@pytest.mark.usefixtures("_bracketed")
def test_no_answer_to_an_act_goes_around_translation(admin: Client) -> None:
    seen = filled()
    data = sample_data()
    wrong: dict[str, str] = {}

    for url, sent in acts(seen):
        html = admin.post(url, sent, follow=True).content.decode()
        wrong |= dict.fromkeys(untranslated(html, data), url)

    assert not wrong, "\n".join(f"{url}: {text}" for text, url in wrong.items())
