"""Does a worker's memory grow with the records it has handled?"""

from benchmarks import product
from benchmarks.databases import Goods
from benchmarks.findings import Cell, Finding, say
from benchmarks.product import Setup
from benchmarks.servers import Site, open_site
from benchmarks.verification import check_counters
from benchmarks.watching import Watch


def measure(few: int, many: int, database: str) -> Finding:
    """The peak of one worker and its child, after few and after many records in one run."""
    setup, rows = Setup(workers=1), list[list[Cell]]()
    with open_site(database) as site:
        product_database = site.open_database()
        goods = Goods(product_database)
        product.load(site, setup)
        for records in (few, many):
            goods.refill(records)
            peak = peak_of(site, setup, records)
            before = float(rows[0][1] or 0) if rows else peak
            rows.append([f"{records:,} records", round(peak, 1), round(peak / before, 3)])
            say(f"{records:,} records: {peak:.1f} MB")
        product_database.close()
    title = f"memory of a worker, {few:,} and {many:,} records, {database}"
    return Finding("memory", title, ["", "peak RSS MB", "ratio"], rows)


def peak_of(site: Site, setup: Setup, records: int) -> float:
    """MB."""
    with site.workers(1) as pids, Watch(pids, []) as watch:
        report = product.run(site, setup)
    check_counters(report, records)
    return watch.peak_mb
