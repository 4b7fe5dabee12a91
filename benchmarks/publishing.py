"""`manage.py publish` of N JSON lines against COPY of the same rows."""

import io
import time
from statistics import median

from benchmarks import product
from benchmarks.databases import Database
from benchmarks.findings import Cell, Finding, say
from benchmarks.product import Setup
from benchmarks.servers import Site, open_site
from benchmarks.verification import check_statuses

# All that the product's table has: columns, constraints, indexes, room on the pages.
MAKE_COPY = """
CREATE TABLE copied (LIKE processors_record INCLUDING ALL);
ALTER TABLE copied SET (fillfactor = 40)
"""


def measure(records: int, rounds: int) -> Finding:
    """In turns; medians of records a second."""
    setup = Setup("inbox")
    published, copied = [], []
    with open_site("postgres") as site:
        database = site.open_database()
        product.load(site, setup)
        product.write_json_lines(site.directory / "records.jsonl", records)
        (site.directory / "nothing.jsonl").touch()
        database.run(MAKE_COPY)
        for number in range(1, rounds + 1):
            published.append(records / publish(site, database, setup, records))
            copied.append(records / copy(database, records))
            say(f"round {number}: publish {published[-1]:,.0f}/s, COPY {copied[-1]:,.0f}/s")
        database.close()
    return finding(records, median(published), median(copied))


def publish(site: Site, database: Database, setup: Setup, records: int) -> float:
    """Seconds of the command, less those of the same command with nothing to do."""
    product.forget_records(database)
    database.settle_down()
    nothing = seconds_of_command(site, setup, "nothing.jsonl")
    seconds = seconds_of_command(site, setup, "records.jsonl") - nothing
    check_statuses(product.inbox_states(database), records, "ready")
    return seconds


def seconds_of_command(site: Site, setup: Setup, file: str) -> float:
    begun = time.monotonic()
    site.manage("publish", setup.slug, str(site.directory / file))
    return time.monotonic() - begun


def copy(database: Database, records: int) -> float:
    """Seconds of COPY, with its commit, of the rows that `publish` has just stored."""
    cursor, text = database.connection.cursor(), io.StringIO()
    cursor.copy_expert("COPY processors_record TO STDOUT", text)
    database.run("TRUNCATE copied")
    database.settle_down()
    text.seek(0)
    begun = time.monotonic()
    cursor.copy_expert("COPY copied FROM STDIN", text)
    seconds = time.monotonic() - begun
    check_statuses({"copied": cursor.rowcount}, records, "copied")
    return seconds


def finding(records: int, published: float, copied: float) -> Finding:
    rows: list[list[Cell]] = [
        ["COPY", round(copied), 1.0],
        ["manage.py publish", round(published), round(published / copied, 4)],
    ]
    notes = ["Without the command's start, measured with an empty file."]
    title = f"publish, {records:,} JSON lines into the inbox, postgres"
    return Finding("publish", title, ["", "records/s", "ratio"], rows, notes)
