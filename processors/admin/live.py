"""Pages that renew themselves: what they send to a browser that polls.

A *region* is an element with `data-live="key"`. live.js asks for the page's own address with the
header `X-Live: 1`; the answer is made of the page's regions and nothing else: no frame, no form,
no messages (which the next page is to show). Each region carries a hash of what it says. The poll
sends the hashes it shows (`X-Live-Has`), and is sent the regions that say something else: most
often none, which is a 304. Of a list it names the rows in sight (`X-Live-Rows`), which alone are
looked at. Relative times tick in the browser and are left out of the hash.

A page that can tell by a few columns that nothing has changed says so before it reads and draws
the rest: `is_known`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from zlib import crc32

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from processors.admin.asking import once
from processors.wording import number

FRAME = "admin/live.html"
NEXT_POLL = "X-Live-Next"  # milliseconds until the next poll; 0: nothing will change any more
NEWEST = "X-Newest"  # the newest row that a list shows
HAS = "X-Live-Has"  # the hashes of the regions that the browser shows, one after the other
ROWS = "X-Live-Rows"  # the ids of a list's rows that are in sight
HASH_LENGTH = 8
MOST_ROWS = 100
LARGEST = 20_000  # bytes of an answer
# What differs in two pages that say the same: times that tick, and the names of clicks.
HASH = re.compile(r'data-hash="(\w+)"')
ROW = re.compile(r'<\w+ data-live="([^"]+)"[^>]* data-row=')
FLEETING = re.compile(r'(<time\b[^>]*>)[^<]*|(?<=value=")(\d+:)[0-9a-f-]{36}(?=")')


def is_poll(request: HttpRequest | None) -> bool:
    """Whether live.js asks, not a person."""
    return request is not None and "X-Live" in request.headers


def region(
    key: str, content: object, tag: str = "div", *, says: object = None, **attributes: object
) -> SafeString:
    """A part of a page that live.js may renew; `class_` becomes `class`, `a_b` becomes `a-b`.

    One that holds regions of its own `says` what is new when it is to be renewed as a whole. One
    with the attribute `data_row` is a row: its polls come only while it is in sight.
    """
    inside = format_html("{}", content)
    what = inside if says is None else says
    told = attributes | {"data-hash": fingerprint(f"{key} {what}", attributes)}
    written = format_html_join(
        "",
        ' {}="{}"',
        ((name.rstrip("_").replace("_", "-"), value) for name, value in told.items()),
    )
    return format_html('<{0} data-live="{1}"{2}>{3}</{0}>', tag, key, written, inside)


def fingerprint(inside: str, attributes: Mapping[str, object]) -> str:
    """A short hash of what a region says."""
    told = FLEETING.sub(r"\1\2", inside) + "".join(map(str, attributes.values()))
    return f"{crc32(told.encode()):08x}"


def collect(request: HttpRequest, html: SafeString) -> None:
    """Keep a region for the answer to a poll, unless the browser shows it already.

    One that holds others comes after these, and instead of them.
    """
    found, row = HASH.search(html), ROW.match(html)
    if found is not None and found[1] in shown_hashes(request):
        return
    if row is not None and ROWS in request.headers and row[1] not in asked_rows(request):
        return
    kept = request.__dict__.get("live_regions", [])
    request.__dict__["live_regions"] = [*(one for one in kept if one not in html), html]


def is_shown(request: HttpRequest, key: str, says: object, **attributes: object) -> bool:
    """Whether a region that `says` this is on the page already, and need not be drawn."""
    return fingerprint(f"{key} {says}", attributes) in shown_hashes(request)


def is_due(request: HttpRequest, key: str, says: object, **attributes: object) -> bool:
    """Whether a card that is costly to draw belongs into this answer: it says something new."""
    return not is_shown(request, key, says, **attributes) and has_turn(request, key)


def has_turn(request: HttpRequest, key: str) -> bool:
    """Whether this costly card may be drawn now: one alone in the answer to a poll.

    The others come with the next ones, so that none costs more than it may.
    """
    return not is_poll(request) or once(request, "live_card", lambda: key) == key


def asked(request: HttpRequest, kind: str) -> list[str]:
    """Of the rows in sight those of a kind: `processor-7` is `7` of the kind "processor"."""
    names = (name.partition("-") for name in asked_rows(request))
    return [name for prefix, _dash, name in names if prefix == kind]


def shown_hashes(request: HttpRequest) -> frozenset[str]:
    """Of the regions that the browser shows."""

    def read() -> frozenset[str]:
        sent = request.headers.get(HAS, "")
        return frozenset(sent[at : at + HASH_LENGTH] for at in range(0, len(sent), HASH_LENGTH))

    return once(request, "live_has", read)


def in_sight(request: HttpRequest, rows: Iterable[Any]) -> list[Any]:
    """Of a list's rows those that a poll asks for; all of them for a person."""
    if not is_poll(request) or ROWS not in request.headers:
        return list(rows)
    wanted = {name.rpartition("-")[2] for name in asked_rows(request)}
    return [row for row in rows if str(row.pk) in wanted]


def asked_rows(request: HttpRequest) -> list[str]:
    """The names of the rows in sight; of a list's row that of its first region."""
    return [name for name in request.headers.get(ROWS, "").split(",")[:MOST_ROWS] if name]


def answer(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """The regions of a page; `live_ms` of the context says when to ask again."""
    render_to_string(template, {**context, "frame": FRAME, "is_poll": True}, request)
    regions = request.__dict__.get("live_regions", [])
    sent = as_many_as_fit(regions)
    html = "".join(sent)
    found = HttpResponse(html) if html or HAS not in request.headers else HttpResponseNotModified()
    state = context.get("live_state", "") if len(sent) == len(regions) else ""
    return marked(found, context.get("live_ms") or 0, state)


def as_many_as_fit(regions: Iterable[SafeString]) -> list[str]:
    """The first ones, up to LARGEST bytes; what is left the browser asks for again."""
    sent: list[str] = []
    size = 0
    for one in regions:
        # In a <template> a browser takes a table's row as it is.
        wrapped = f"<template>{one}</template>"
        size += len(wrapped.encode())
        if sent and size > LARGEST:
            break
        sent.append(wrapped)
    return sent


def marked(found: HttpResponse, next_ms: int, state: str) -> HttpResponse:
    """With what live.js goes by."""
    if state:
        found.headers["ETag"] = f'"{state}"'
    found.headers["Cache-Control"] = "no-store"
    found.headers[NEXT_POLL] = str(next_ms)
    return found


def state_of(*parts: object) -> str:
    """A short name for what a page was made from."""
    return f"{crc32(repr(parts).encode()):08x}"


def is_known(request: HttpRequest, state: str) -> bool:
    """Whether the browser shows this state of the page, by its last poll."""
    return is_poll(request) and request.headers.get("If-None-Match") == f'"{state}"'


def unchanged(state: str, next_ms: int) -> HttpResponse:
    """The answer to a poll that knows this state."""
    return marked(HttpResponseNotModified(), next_ms, state)


def gone(names: Sequence[str]) -> SafeString:
    """The rows that are no more: they are greyed and stay, so that nothing moves."""
    return format_html('<p data-gone="{}"></p>', ",".join(names)) if names else SafeString("")


def newest_shown(request: HttpRequest) -> int | None:
    """The newest row on the list that polls; None where it does not ask for newer ones."""
    given = request.headers.get(NEWEST, "")
    return int(given) if given.isdecimal() and len(given) < 19 else None


def news(count: int, cap: int) -> SafeString:
    """How many rows are newer: they wait for the person instead of jumping in."""
    if not count:
        return SafeString("")
    shown = f"{number(cap)}+" if count >= cap else number(count)
    words = ngettext("+%(count)s new – show", "+%(count)s new – show", count)  # noqa: RUF001
    label = _("New rows: show them")
    told = words % {"count": shown}
    return format_html(
        '<p data-news="{}" data-hash="{}" aria-label="{}">{}</p>',
        count, fingerprint(f"news {told}", {}), label, told,
    )  # fmt: skip
