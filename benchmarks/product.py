"""The product, used as an operator does: definitions, `publish`, `processor run`, workers."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.databases import DONE, NEW, TAKEN, Database
from benchmarks.labour import body
from benchmarks.servers import Site

WORDS = {"new": NEW, "claimed": TAKEN, "done": DONE, "failed": "ERROR"}


@dataclass(frozen=True)
class Setup:
    """How a processor is defined; `source` is "table" or "inbox"."""

    source: str = "table"
    handler: str = "noop"
    workers: int = 2
    concurrency: int = 1
    batch_size: int = 500
    results: bool = False
    trace: str = ""
    records_per_cycle: int | None = None
    trigger: str = "manual"

    @property
    def slug(self) -> str:
        return f"bench-{self.source}"

    @property
    def definition(self) -> dict[str, Any]:
        """As `processor load` reads it."""
        return {
            "slug": self.slug,
            "name": f"Benchmark, {self.source}",
            "handler": f"benchmarks.{self.handler}",
            "options": {"results": self.results, "trace": self.trace},
            "source": self._table() if self.source == "table" else {"kind": "inbox"},
            "trigger": {"kind": self.trigger},
            "parallelism": self.workers,
            "concurrency": self.concurrency,
            "batch_size": self.batch_size,
            "records_per_cycle": self.records_per_cycle,
        }

    def _table(self) -> dict[str, Any]:
        return {
            "kind": "table",
            "database": "default",
            "table": "goods",
            "key": "id",
            "status": "status",
            "words": WORDS,
            "payload": ["body"],
            "result": "result" if self.results else None,
        }


def load(site: Site, setup: Setup) -> None:
    """Create or change the processor."""
    site.manage("processor", "load", "-", text=json.dumps(setup.definition))


def run(site: Site, setup: Setup, *, may_fail: bool = False) -> dict[str, Any]:
    """One cycle to its end; the command's report of the run. Records that fail are an error."""
    output = site.manage(
        "processor", "run", setup.slug, "--wait", "--json", exit_codes=(0, 1) if may_fail else (0,)
    )
    report: dict[str, Any] = json.loads(output)
    return report


def seconds_of(report: Mapping[str, Any]) -> float:
    """From the commit that made the work available to the end of the cycle, by the database."""
    started, ended = (datetime.fromisoformat(report[name]) for name in ("started_at", "ended_at"))
    return (ended - started).total_seconds()


def json_lines(count: int, first: int = 1) -> Iterator[str]:
    """Records as `publish` reads them."""
    for number in range(first, first + count):
        yield json.dumps({"key": str(number), "payload": {"body": body(number)}})


def write_json_lines(path: Path, count: int) -> None:
    with path.open("w") as file:
        file.writelines(f"{line}\n" for line in json_lines(count))


def refill_inbox(site: Site, database: Database, setup: Setup, count: int) -> None:
    """Empty the inbox and publish records 1 to `count` into it."""
    forget_records(database)
    path = site.directory / "records.jsonl"
    write_json_lines(path, count)
    site.manage("publish", setup.slug, str(path))
    database.settle_down()


def forget_records(database: Database) -> None:
    """Remove all records; the product has no command for it, and keeps what it knows."""
    if database.is_postgres:
        database.run("TRUNCATE processors_record CASCADE")
        return
    for table in ("event", "attempt", "record"):
        where = " WHERE record_id IS NOT NULL" if table == "event" else ""
        database.run(f"DELETE FROM processors_{table}{where}")


def inbox_states(database: Database) -> dict[str, int]:
    """State → number of records."""
    rows = database.run("SELECT state, count(*) FROM processors_record GROUP BY state")
    return {str(state): int(number) for state, number in rows}


def inbox_results(database: Database) -> dict[str, str | None]:
    """Key → result."""
    return {
        str(key): json.loads(result) if isinstance(result, str) and result[:1] == '"' else result
        for key, result in database.run("SELECT key, result FROM processors_record")
    }
