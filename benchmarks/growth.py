"""What claim and commit cost for a record when few or many rows are there, waiting or done."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks import product
from benchmarks.cloning import clone
from benchmarks.databases import DONE, NEW, Database, Goods
from benchmarks.findings import Cell, Finding, say
from benchmarks.product import Setup
from benchmarks.servers import Site, open_site
from benchmarks.verification import check_counters
from benchmarks.watching import Watch

DRAINED = 20_000
CYCLES = 7  # at each size; the median counts, of processor time and blocks the mean
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
# What the server had to look for outside its own buffers: in the system's cache or on the disk.
BLOCKS = "SELECT blks_read FROM pg_stat_database WHERE datname = current_database()"
COLUMNS = [
    "", "rows there", "µs a record", "ratio to fewest", "processor µs", "blocks fetched",
    "first claim after ms",
]  # fmt: skip


@dataclass(frozen=True)
class Cost:
    """Of one record, in microseconds by the clock and of processors; and blocks fetched for it.

    The clock runs from the first claim to the last commit; `waited_ms` is until that claim.
    """

    micros: float
    processor_micros: float
    blocks: float
    waited_ms: float


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
        cost = drain(site, goods.database, setup)
        fewest = fewest or cost.micros
        name = f"{setup.source}, {state}"
        rows.append(
            [
                name, size, round(cost.micros, 2), round(cost.micros / fewest, 3),
                round(cost.processor_micros, 2), round(cost.blocks, 3), round(cost.waited_ms),
            ]
        )  # fmt: skip
        say(f"{name}, {size:,} rows: {cost.micros:.1f} µs a record")
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


def drain(site: Site, database: Database, setup: Setup) -> Cost:
    """What the cycles cost; servers and workers together."""
    drained = setup.records_per_cycle or 0
    spans = []
    blocks = -blocks_fetched(database)
    with site.workers(1) as pids, Watch(pids, site.database_pids) as watch:
        for _ in range(CYCLES):
            report = product.run(site, setup)
            check_counters(report, drained)
            spans += database.run(SPAN, [report["id"]])
    blocks += blocks_fetched(database)
    records = CYCLES * drained
    return Cost(
        micros=median(float(seconds) for seconds, _ in spans) / drained * 1e6,
        processor_micros=(watch.worker_seconds + watch.database_seconds) / records * 1e6,
        blocks=blocks / records,
        waited_ms=median(float(wait) for _, wait in spans) * 1000,
    )


def blocks_fetched(database: Database) -> int:
    """So far, by all who have ended."""
    [(count,)] = database.run(BLOCKS)
    return int(count)
