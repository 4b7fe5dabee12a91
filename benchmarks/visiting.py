"""Opens every page of the admin, inside Django: see driving.py."""

import re
import time
from collections.abc import Iterable, Iterator, Mapping
from html import unescape
from itertools import combinations
from statistics import median
from typing import Any
from urllib.parse import parse_qsl, urlencode

LARGE = 10_000  # rows; a smaller table is best read whole
TOO_MANY = 150_000  # rows for one step of one statement, by whatever index
LINK = re.compile(r'href="(\?[^"#]+)"')
LIVE = re.compile(r'id="live"[^>]* data-ms="[1-9]')
ROWS = "SELECT reltuples FROM pg_class WHERE oid = %s::regclass"
POLL, QUIET, MOVED = "poll of ", "poll of unchanged ", "poll of moved "
# What a worker's heartbeat does while a page is open.
GO_ON = "UPDATE processors_batch SET done = done + 1 WHERE state = 'leased'"
IN_SIGHT = 12  # rows of a list
HASH = re.compile(r'data-hash="(\w+)"')
ROW = re.compile(r'data-live="([^"]+)"[^>]* data-row|data-live="(state-\d+)"')
ENOUGH_MS = 1_000  # what took so long is not opened again

# What no link leads to.
ASKED = {
    "processors_run_changelist": ("q=17", "q=%23999", "q=benchmark", "q=nothing"),
    "processors_processor_changelist": ("q=benchmark", "q=nothing"),
    "processors_record_changelist": (
        "q=key-77", "q=key-1&state=all", "q=error%3ATimeout", "q=nothing", "q=nothing&state=done",
        "q=payload.body%3Anothing", "q=payload.body%3Anothing&state=all", "run=2",
        "error=00000000000000000000000000000000",
    ),
}  # fmt: skip

Page = dict[str, Any]


def visit_all(repeats: int) -> list[Page]:
    """Every page that answers a plain GET, and the polls of those that renew themselves."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    user = get_user_model().objects.create_superuser("bench", "bench@example.org", "bench")
    client = Client(raise_request_exception=False, headers={"host": "localhost"})
    client.force_login(user)
    every = (address for path in paths() for address in with_links(client, path))
    return [page for address in every for page in visits(client, address, repeats)]


def with_links(client: Any, path: str) -> list[str]:
    """A page and its filters, also two at once; none for a form's target, or what leads away.

    Nor for a file to be downloaded, which nobody waits in front of.
    """
    response = client.get(path)
    if response.status_code not in (200, 500) or response.streaming:
        return []
    if "?" in path:
        return [path]
    links = {unescape(link)[1:] for link in LINK.findall(response.content.decode())}
    return list(dict.fromkeys([path, *(f"{path}?{query}" for query in queries(links))]))


def queries(links: set[str]) -> Iterator[str]:
    """The links, and of every two filters the first and the last values together."""
    yield from sorted(links)
    values: dict[str, list[str]] = {}
    for link in sorted(links):
        for name, value in parse_qsl(link):
            values.setdefault(name, [])
            if value not in values[name]:
                values[name].append(value)
    ends = {name: (found[0], found[-1]) for name, found in values.items() if name != "p"}
    for one, other in combinations(ends, 2):
        for value, another in zip(ends[one], ends[other], strict=True):
            yield urlencode({one: value, other: another})


def visits(client: Any, path: str, repeats: int) -> list[Page]:
    """A page, and its polls where it has them: when all is new, when nothing is, and when a run
    has gone on; filters are the same for all."""
    found, html = visit(client, path, repeats)
    if "?" in path or not LIVE.search(html):
        return [found]
    rows = [one or other for one, other in ROW.findall(html)]
    asked = {"X-Live": "1", "X-Live-Rows": ",".join(rows[:IN_SIGHT])}
    polls = {POLL: visit(client, path, repeats, asked)}
    asked["X-Live-Has"] = "".join(HASH.findall(html))
    state = {"If-None-Match": client.get(path, headers=asked).headers.get("ETag", "")}
    polls[QUIET] = visit(client, path, repeats, asked | state)
    go_on()
    polls[MOVED] = visit(client, path, repeats, asked | state)
    return [found, *({**poll, "path": kind + path} for kind, (poll, _html) in polls.items())]


def go_on() -> None:
    """A record more was handled."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute(GO_ON)


def visit(
    client: Any, path: str, repeats: int, headers: Mapping[str, str] | None = None
) -> tuple[Page, str]:
    """Open a page some times; once more to see its queries, which costs time of its own."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    times: list[float] = []
    while len(times) < repeats and (not times or times[-1] < ENOUGH_MS):
        begun = time.perf_counter()
        response = client.get(path, headers=headers)
        times.append((time.perf_counter() - begun) * 1000)
    with CaptureQueriesContext(connection) as captured:
        client.get(path, headers=headers)
    asked = [each["sql"] for each in captured]
    found = {
        "path": path,
        "ms": round(median(times), 1),
        "kilobytes": round(len(response.content) / 1000, 1),
        "queries": len(asked),
        "status": response.status_code,
        "scans": heaviest(asked),
    }
    return found, response.content.decode(errors="replace")


def heaviest(statements: list[str]) -> list[str]:
    """Of our tables those that a statement read too much of: all of a large one, or TOO_MANY."""
    reads = [read for sql in statements for read in rows_read(sql)]
    return sorted({table for table, count, is_all in reads if is_all or count > TOO_MANY})


def rows_read(sql: str) -> Iterator[tuple[str, int, bool]]:
    """What each scan of a statement read: table, rows, and whether that is all of a large one."""
    from django.db import connection

    if not sql.lstrip(" (").upper().startswith(("SELECT", "WITH")) or "FOR UPDATE" in sql:
        return
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}")
        plan = cursor.fetchone()[0][0]["Plan"]
        for node in nodes(plan):
            table = node.get("Relation Name", "")
            if not table.startswith("processors_"):
                continue
            removed = node.get("Rows Removed by Filter", 0)
            count = round((node["Actual Rows"] + removed) * node["Actual Loops"])
            cursor.execute(ROWS, [table])
            (there,) = cursor.fetchone()
            yield table, count, there >= LARGE and count >= there * 0.9


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A plan's steps."""
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes(inner)


def paths() -> Iterator[str]:
    """The admin's addresses; those of one object with the oldest and the newest object's id."""
    from django.apps import apps
    from django.contrib import admin

    for name in own_pages():
        yield from address(f"admin:{name}", ())
    for model in apps.get_app_config("processors").get_models():
        if not admin.site.is_registered(model):
            continue
        ids = model._default_manager.order_by("pk").values_list("pk", flat=True)  # noqa: SLF001
        ends = dict.fromkeys((ids.first() or 0, ids.last() or 0))
        names = [url.name for url in admin.site.get_model_admin(model).urls if url.name]
        for name in dict.fromkeys(names):
            for found in address(f"admin:{name}", ends):
                yield found
                yield from (f"{found}?{query}" for query in ASKED.get(name, ()))


def own_pages() -> list[str]:
    """Names of the site's pages that the stock admin has not; and the first one."""
    from django.contrib import admin

    def names(site: admin.AdminSite) -> list[str]:
        return [name for url in site.get_urls() if (name := getattr(url, "name", None))]

    stock = names(admin.AdminSite())
    return ["index", *(name for name in names(admin.site) if name not in stock)]


def address(name: str, ids: Iterable[int]) -> list[str]:
    """A named page, plain or of these objects; none where it takes something else."""
    from django.urls import NoReverseMatch, reverse

    choices: list[list[list[int]]] = [[[]], [[pk] for pk in ids]]
    for choice in choices:
        try:
            return [reverse(name, args=arguments) for arguments in choice]
        except NoReverseMatch:
            continue
    return []
