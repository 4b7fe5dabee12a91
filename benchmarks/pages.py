"""Server time, queries, size and scans of every admin page over a large history (Postgres)."""

import json
from collections.abc import Iterable
from typing import Any

from benchmarks.findings import Cell, Finding, say
from benchmarks.history import Size, fill
from benchmarks.servers import open_site
from benchmarks.visiting import LARGE, POLL, TOO_MANY

REPEATS = 5
SLOWEST, SLOWEST_POLLS = 15, 8  # pages that the table shows
LIMIT_MS, LIMIT_QUERIES = 300, 30
LIST_POLL_MS, POLL_MS, POLL_KB = 40, 15, 20
NAMED = 25
COLUMNS = ["", "ms", "queries", "kB", "status"]

Page = dict[str, Any]


def measure(size: Size) -> Finding:
    """Fill, then open every page a few times."""
    with open_site("postgres") as site:
        fill(site, size)
        say("opening every page")
        found = json.loads(site.python("-m", "benchmarks.driving", "pages", str(REPEATS)))
    return finding(size, found)


def finding(size: Size, found: list[Page]) -> Finding:
    """The slowest pages and polls, and in words what is over the limits."""
    found.sort(key=lambda page: -page["ms"])
    pages = [page for page in found if not page["path"].startswith(POLL)]
    polls = [page for page in found if page["path"].startswith(POLL)]
    rows: list[list[Cell]] = [
        [page["path"], page["ms"], page["queries"], page["kilobytes"], str(page["status"])]
        for page in [*pages[:SLOWEST], *polls[:SLOWEST_POLLS]]
    ]
    over = {
        f"Over {LIMIT_MS} ms": named(page for page in pages if page["ms"] > LIMIT_MS),
        f"Over {LIMIT_QUERIES} queries": named(
            page for page in found if page["queries"] > LIMIT_QUERIES
        ),
        f"Polls over {POLL_MS} ms ({LIST_POLL_MS} ms of a list) or {POLL_KB} kB": named(
            page for page in polls if is_heavy(page)
        ),
        "Not answered with 200, or 304 where nothing is new": named(
            page for page in found if page["status"] not in (200, 304)
        ),
        f"Read a whole table of {LARGE:,} rows or more, or more than {TOO_MANY:,} rows": named(
            (page for page in found if page["scans"]), scans=True
        ),
    }
    opened = (
        f"{len(pages)} pages, filters and orders and {len(polls)} polls were opened; the slowest "
        "of both are shown."
    )
    notes = [opened, *(f"{what}: {which}." for what, which in over.items())]
    title = (
        f"pages with {size.runs:,} runs, {size.records:,} records, {size.attempts:,} attempts, "
        "postgres"
    )
    return Finding("pages", title, COLUMNS, rows, notes)


def is_heavy(poll: Page) -> bool:
    """Whether a poll costs more than it may: of a list a little more than of one object."""
    limit = POLL_MS if "/change/" in poll["path"] else LIST_POLL_MS
    return bool(poll["ms"] > limit or poll["kilobytes"] > POLL_KB)


def named(pages: Iterable[Page], *, scans: bool = False) -> str:
    """`a, b` or `none`; with what they scan, where that is asked."""
    shown = [
        f"`{page['path']} ({', '.join(page['scans'])})`" if scans else f"`{page['path']}`"
        for page in pages
    ]
    more = [f"and {len(shown) - NAMED} more"] if len(shown) > NAMED else []
    return ", ".join([*shown[:NAMED], *more]) or "none"
