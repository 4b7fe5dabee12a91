"""Pages that renew themselves: what they send to a browser that polls.

A *region* is an element with `data-live="key"`. live.js asks for the page's own address with the
header `X-Live: 1`; the answer is made of the page's regions and nothing else: no frame, no form,
no messages (which the next page is to show). Each region carries a hash of what it says, so that
only changed ones are replaced, and the whole answer carries an ETag, so that a poll that found
nothing new is a 304. Relative times tick in the browser and are left out of the hash.
"""

import re
from collections.abc import Mapping
from typing import Any
from zlib import crc32

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.template.loader import render_to_string
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from processors.wording import number

FRAME = "admin/live.html"
NEXT_POLL = "X-Live-Next"  # milliseconds until the next poll; 0: nothing will change any more
NEWEST = "X-Newest"  # the newest row that a list shows
# What differs in two pages that say the same: times that tick, and the names of clicks.
FLEETING = re.compile(r'(<time\b[^>]*>)[^<]*|(?<=value=")(\d+:)[0-9a-f-]{36}(?=")')


def is_poll(request: HttpRequest | None) -> bool:
    """Whether live.js asks, not a person."""
    return request is not None and "X-Live" in request.headers


def region(key: str, content: object, tag: str = "div", **attributes: object) -> SafeString:
    """A part of a page that live.js may renew; `class_` becomes `class`, `a_b` becomes `a-b`."""
    inside = format_html("{}", content)
    told = attributes | {"data-hash": fingerprint(inside, attributes)}
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
    """Keep a region for the answer to a poll."""
    request.__dict__.setdefault("live_regions", []).append(html)


def answer(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """The regions of a page; `live_ms` of the context says when to ask again."""
    render_to_string(template, {**context, "frame": FRAME, "is_poll": True}, request)
    return respond(request, request.__dict__.get("live_regions", []), context.get("live_ms") or 0)


def respond(request: HttpRequest, regions: list[SafeString], next_ms: int) -> HttpResponse:
    """These regions, or 304 where the browser shows them already."""
    html = "".join(regions)
    etag = f'"{fingerprint(html, {})}-{next_ms}"'
    is_known = request.headers.get("If-None-Match") == etag
    found = HttpResponseNotModified() if is_known else HttpResponse(html)
    found.headers["ETag"] = etag
    found.headers["Cache-Control"] = "no-store"
    found.headers[NEXT_POLL] = str(next_ms)
    return found


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
    return format_html(
        '<p data-news="{}" aria-label="{}">{}</p>', count, label, words % {"count": shown}
    )
