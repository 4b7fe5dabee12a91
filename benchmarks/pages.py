"""Server time, queries and scans of every admin page over a large history (Postgres)."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from itertools import islice
from statistics import median
from typing import Any

from benchmarks import product
from benchmarks.cloning import clone
from benchmarks.databases import Database
from benchmarks.findings import Cell, Finding, say
from benchmarks.product import Setup
from benchmarks.servers import Site, open_site

REPEATS = 5
SLOWEST = 15  # pages that the table shows
LIMIT_MS, LIMIT_QUERIES = 300, 30
SCAN = re.compile(r"Seq Scan on (processors_\w+)")
LARGE = 10_000  # rows; a smaller table is best read whole
LINK = re.compile(r'href="(\?[^"#]+)"')
MOST_LINKS = 20  # of one list
SEARCHES = (
    "state=attention&error=c4ca4238a0b923820dcc509a6f75849b",  # the md5 of 1
    "q=key-999", "q=error:Reject", "q=payload.n:5", "state=done&q=nothing",
)  # fmt: skip
COLUMNS = ["", "ms", "queries", "status"]


@dataclass(frozen=True)
class Size:
    """How much history there is."""

    runs: int
    records: int
    attempts: int


SMALL = Size(20_000, 200_000, 20_000)
FULL = Size(1_000_000, 10_000_000, 1_000_000)

# Each as the product has written one: table, what it is made for, and how it differs. A run a
# minute with a batch, the newest last; one record of ten dead; errors of a hundred kinds.
RUN_AT = "now() - (%(runs)s - n) * interval '1 min'"
IS_DEAD = "n %% 10 = 0"
HISTORY: list[tuple[str, str, dict[str, str]]] = [
    (
        "processors_run",
        "generate_series(1, %(runs)s) AS n",
        {"seq": "one.seq + n", "started_at": RUN_AT, "ended_at": RUN_AT, "slot": "NULL"},
    ),
    (
        "processors_batch",
        "(SELECT * FROM processors_run ORDER BY id OFFSET 1) AS run",
        {
            "run_id": "run.id",
            "token": "gen_random_uuid()",
            "opened_at": "run.started_at",
            "closed_at": "run.ended_at",
        },
    ),
    (
        "processors_runhour",
        "generate_series(1, %(runs)s / 60) AS n",
        {"hour": "date_trunc('hour', now()) - n * interval '1 hour'"},
    ),
    (
        "processors_record",
        "generate_series(1, %(records)s) AS n",
        {
            "key": "'key-' || n",
            "state": f"CASE WHEN {IS_DEAD} THEN 'dead' ELSE 'done' END",
            "last_error": f"CASE WHEN {IS_DEAD} THEN one.last_error ELSE '' END",
            "error_type": f"CASE WHEN {IS_DEAD} THEN one.error_type END",
            "fingerprint": f"CASE WHEN {IS_DEAD} THEN md5((n / 10 %% 100)::text) END",
            "settled_at": "now() - (%(records)s - n) * interval '1 ms'",
        },
    ),
    (
        "processors_attempt",
        """
        (SELECT id, row_number() OVER (ORDER BY id DESC) AS n
           FROM processors_record ORDER BY id DESC LIMIT %(attempts)s) AS record
        JOIN (SELECT id, run_id, row_number() OVER (ORDER BY id DESC) AS n
                FROM processors_batch) AS batch ON batch.n = 1 + record.n %% %(runs)s
        """,
        {
            "record_id": "record.id",
            "run_id": "batch.run_id",
            "batch_id": "batch.id",
            "message": "one.message || ' ' || record.n %% 100",
            "fingerprint": "md5((record.n %% 100)::text)",
        },
    ),
]
ROWS = "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND reltuples >= %s"


def measure(size: Size) -> Finding:
    """Fill, then open every page a few times."""
    with open_site("postgres") as site:
        database = site.open_database()
        refuse_one(site)
        fill(database, size)
        database.close()
        say("opening every page")
        found = json.loads(site.python("-m", "benchmarks.driving", "pages", str(REPEATS)))
    return finding(size, found)


def finding(size: Size, found: list[dict[str, Any]]) -> Finding:
    """The slowest pages, and in words what is over the limits."""
    found.sort(key=lambda page: -page["ms"])
    rows: list[list[Cell]] = [
        [page["path"], page["ms"], page["queries"], str(page["status"])] for page in found[:SLOWEST]
    ]
    slow = [page["path"] for page in found if page["ms"] > LIMIT_MS]
    talkative = [page["path"] for page in found if page["queries"] > LIMIT_QUERIES]
    broken = [page["path"] for page in found if page["status"] != 200]
    scans = [f"{page['path']} ({', '.join(page['scans'])})" for page in found if page["scans"]]
    notes = [
        f"{len(found)} pages, filters and orders were opened; the slowest {len(rows)} are shown.",
        f"Over {LIMIT_MS} ms: {listed(slow)}.",
        f"Over {LIMIT_QUERIES} queries: {listed(talkative)}.",
        f"Not answered with 200: {listed(broken)}.",
        f"Scan a whole table of {LARGE:,} rows or more: {listed(scans)}.",
    ]
    title = (
        f"pages with {size.runs:,} runs, {size.records:,} records, {size.attempts:,} attempts, "
        "postgres"
    )
    return Finding("pages", title, COLUMNS, rows, notes)


def listed(paths: list[str]) -> str:
    """`a, b` or `none`."""
    return ", ".join(f"`{path}`" for path in paths) or "none"


def refuse_one(site: Site) -> None:
    """One run with one failed record, by the product itself."""
    setup = Setup("inbox", "refuse")
    product.load(site, setup)
    site.manage("publish", setup.slug, text=next(product.json_lines(1)))
    with site.workers(1):
        product.run(site, setup, may_fail=True)


def fill(database: Database, size: Size) -> None:
    """The history, by a statement for each table."""
    params = {"runs": size.runs, "records": size.records, "attempts": size.attempts}
    for table, source, values in HISTORY:
        say(f"filling {table}")
        clone(database, table, source, values, params)
    database.run("UPDATE processors_processor SET last_seq = last_seq + %s", [size.runs])
    database.settle_down()


# Inside Django: see driving.py


def visit_all(repeats: int) -> list[dict[str, Any]]:
    """Every page that answers a plain GET: path, ms, queries, status, tables it scans."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    user = get_user_model().objects.create_superuser("bench", "bench@example.org", "bench")
    client = Client(raise_request_exception=False, headers={"host": "localhost"})
    client.force_login(user)
    found = [address for path in paths() for address in with_links(client, path)]
    return [visit(client, path, repeats) for path in found]


def with_links(client: Any, path: str) -> list[str]:
    """A page and its filters and orders; none for a form's target, or what leads elsewhere."""
    response = client.get(path)
    if response.status_code not in (200, 500):
        return []
    links = dict.fromkeys(LINK.findall(response.content.decode()))
    return [path, *(path + unescape(link) for link in islice(links, MOST_LINKS))]


def visit(client: Any, path: str, repeats: int) -> dict[str, Any]:
    """Open a page some times."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    times = []
    for _ in range(repeats):
        with CaptureQueriesContext(connection) as queries:
            begun = time.perf_counter()
            response = client.get(path)
            times.append((time.perf_counter() - begun) * 1000)
    return {
        "path": path,
        "ms": round(median(times), 1),
        "queries": len(queries),
        "status": response.status_code,
        "scans": sorted({table for each in queries for table in scanned(each["sql"])}),
    }


def scanned(sql: str) -> list[str]:
    """Our large tables that a query reads from end to end, as its plan says."""
    from django.db import connection

    if not sql.lstrip(" (").upper().startswith(("SELECT", "WITH")):
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {sql}")
        found = {name for (line,) in cursor.fetchall() for name in SCAN.findall(line)}
        cursor.execute(ROWS, [list(found), LARGE])
        return [name for (name,) in cursor.fetchall()]


def paths() -> Iterator[str]:
    """The admin's addresses; those of one object with the newest object's id."""
    from django.apps import apps
    from django.contrib import admin
    from django.urls import reverse

    yield from map(reverse, ("admin:index", "admin:schedule", "admin:queues", "admin:health"))
    yield from (f"{reverse('admin:processors_record_changelist')}?{query}" for query in SEARCHES)
    for model in apps.get_app_config("processors").get_models():
        if not admin.site.is_registered(model):
            continue
        rows = model._default_manager.order_by("-pk")  # noqa: SLF001 - public in Django
        newest = rows.values_list("pk", flat=True).first()
        names = [url.name for url in admin.site.get_model_admin(model).urls if url.name]
        for name in dict.fromkeys(names):
            yield from address(f"admin:{name}", newest)


def address(name: str, newest: int | None) -> list[str]:
    """A named page, plain or of one object; none where it takes something else."""
    from django.urls import NoReverseMatch, reverse

    for arguments in ([], [newest]):
        try:
            return [reverse(name, args=arguments)]
        except NoReverseMatch:
            continue
    return []
