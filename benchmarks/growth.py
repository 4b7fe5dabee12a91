"""What claim and commit cost for a record when few or many rows are there, waiting or done."""

from collections.abc import Sequence
from statistics import median

from benchmarks import product
from benchmarks.cloning import clone
from benchmarks.databases import DONE, NEW, Database, Goods
from benchmarks.findings import Cell, Finding, say
from benchmarks.product import Setup
from benchmarks.servers import Site, open_site
from benchmarks.verification import check_counters

DRAINED = 20_000
CYCLES = 3  # at each size; the median counts
SIZES = (10_000, 100_000, 1_000_000)
FULL_SIZES = (*SIZES, 10_000_000)

INBOX_ROW = {
    "key": "n::text",
    "state": "%(state)s",
    "payload": "jsonb_build_object('body', left(repeat(md5(n::text), 10), 300))",
}
# From the first claim to the last commit, in seconds; and how long the first claim took to come.
SPAN = """
SELECT extract(epoch FROM max(closed_at) - min(opened_at))::float,
       extract(epoch FROM min(opened_at) - min(run.started_at))::float
  FROM processors_batch AS batch JOIN processors_run AS run ON run.id = batch.run_id
 WHERE run.id = %s
"""
COLUMNS = ["", "rows there", "µs a record", "ratio to fewest", "first claim after ms"]


def measure(sizes: Sequence[int], drained: int = DRAINED) -> Finding:
    """One worker drains the same number of records each time."""
    rows: list[list[Cell]] = []
    with open_site("postgres") as site:
        database = site.open_database()
        goods = Goods(database)
        for source in ("table", "inbox"):
            setup = Setup(source, workers=1, records_per_cycle=drained)
            product.load(site, setup)
            for state in ("waiting", "done"):
                rows += series(site, goods, setup, state, sizes)
        database.close()
    title = f"growth, {drained:,} records drained by one worker, postgres"
    return Finding("growth", title, COLUMNS, rows)


def series(
    site: Site, goods: Goods, setup: Setup, state: str, sizes: Sequence[int]
) -> list[list[Cell]]:
    """One source and state at growing sizes."""
    rows: list[list[Cell]] = []
    fewest = 0.0
    for size in sizes:
        fill(site, goods, setup, state, size)
        seconds, waited = drain(site, goods.database, setup)
        each = seconds / (setup.records_per_cycle or 1) * 1e6
        fewest = fewest or each
        name = f"{setup.source}, {state}"
        rows.append([name, size, round(each, 2), round(each / fewest, 3), round(waited * 1000)])
        say(f"{name}, {size:,} rows: {each:.1f} µs a record")
    return rows


def fill(site: Site, goods: Goods, setup: Setup, state: str, size: int) -> None:
    """`size` rows in the state, and as many waiting as the cycles drain."""
    more = CYCLES * (setup.records_per_cycle or 0)
    if setup.source == "table":
        goods.empty()
        goods.add(1, size, NEW if state == "waiting" else DONE)
        goods.add(size + 1, size + more)
    else:
        product.refill_inbox(site, goods.database, setup, 1)
        word = "ready" if state == "waiting" else "done"
        add_to_inbox(goods.database, 2, size + 1, word)
        add_to_inbox(goods.database, size + 2, size + more, "ready")
    goods.database.settle_down()


def add_to_inbox(database: Database, first: int, last: int, state: str) -> None:
    """Records from `first` to `last`, as the one that is there but for key, payload and state."""
    params = {"first": first, "last": last, "state": state}
    source = "generate_series(%(first)s::bigint, %(last)s::bigint) AS n"
    clone(database, "processors_record", source, INBOX_ROW, params)


def drain(site: Site, database: Database, setup: Setup) -> tuple[float, float]:
    """Seconds from the first claim to the last commit, and until the first claim; medians."""
    spans = []
    with site.workers(1):
        for _ in range(CYCLES):
            report = product.run(site, setup)
            check_counters(report, setup.records_per_cycle or 0)
            spans += database.run(SPAN, [report["id"]])
    return median(float(seconds) for seconds, _ in spans), median(float(wait) for _, wait in spans)
