"""Drain N records: the product against the bare loop and other queues, in turns."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.contenders import Bench, Contender, Round
from benchmarks.databases import Goods
from benchmarks.findings import Finding, say
from benchmarks.labour import WAIT_SECONDS
from benchmarks.ours import SOURCES
from benchmarks.product import Setup
from benchmarks.servers import open_site
from benchmarks.theirs import RIVALS

VERIFIED = 5_000  # records of the round that is looked at closely
PER_RECORD = {"celery": 10_000, "rq": 4_000}  # a message per record: more would take minutes
COLUMNS = ["", "records", "records/s", "ratio", "worker CPU µs", "database CPU µs", "peak MB"]


@dataclass(frozen=True)
class Plan:
    """What to measure; `sources` of the product, `against` are names of RIVALS."""

    records: int = 100_000
    database: str = "postgres"
    sources: Sequence[str] = ("table",)
    against: Sequence[str] = ("bare",)
    rounds: int = 3
    setup: Setup = field(default_factory=Setup)
    commit_each: bool = False

    @property
    def title(self) -> str:
        """Names the measurement in tables: the same plan has the same title."""
        setup = self.setup
        concurrency = f", concurrency {setup.concurrency}" if setup.concurrency > 1 else ""
        return (
            f"{setup.handler}, {self.records:,} records, {setup.workers} workers{concurrency}, "
            f"batches of {setup.batch_size}, {self.database}"
        )

    def records_for(self, name: str) -> int:
        """How many records a contender gets."""
        return min(self.records, PER_RECORD.get(name, self.records))


def measure(plan: Plan) -> Finding:
    """Rounds in turns; medians, and ratios to the bare loop of the same run."""
    rounds: dict[str, list[Round]] = {}
    with open_site(plan.database) as site:
        database = site.open_database()
        bench = Bench(site, database, Goods(database), plan.setup, plan.commit_each)
        contenders = make_contenders(plan, bench)
        for contender in contenders:
            say(f"{contender.name}: every record once?")
            contender.verify(min(plan.records_for(contender.name), VERIFIED))
        for number in range(1, plan.rounds + 1):
            for contender in contenders:
                done = contender.drain(plan.records_for(contender.name))
                rounds.setdefault(contender.name, []).append(done)
                say(f"round {number}, {contender.name}: {done.rate:,.0f} records/s")
        database.close()
    return finding(plan, rounds)


def make_contenders(plan: Plan, bench: Bench) -> list[Contender]:
    """The product's sources first, then the others."""
    kinds = [SOURCES[name] for name in plan.sources] + [RIVALS[name] for name in plan.against]
    return [kind(bench) for kind in kinds]


def finding(plan: Plan, rounds: dict[str, list[Round]]) -> Finding:
    """Medians as a table."""
    rates = {name: median(each.rate for each in done) for name, done in rounds.items()}
    bare = rates.get("bare")
    rows = [row(name, done, rates[name], bare) for name, done in rounds.items()]
    rows.sort(key=lambda cells: -float(cells[2] or 0))
    ratios = {title_of(name): rate / bare for name, rate in rates.items()} if bare else {}
    measure_name = "perrecord" if plan.commit_each else "drain"
    return Finding(measure_name, plan.title, COLUMNS, rows, notes(plan, rates), ratios)


def row(name: str, done: list[Round], rate: float, bare: float | None) -> list[str | float | None]:
    """One contender: what it did, and what it used for one record."""
    return [
        title_of(name),
        done[0].records,
        round(rate),
        round(rate / bare, 4) if bare else None,
        round(median(each.worker_seconds / each.records for each in done) * 1e6, 1),
        round(median(each.database_seconds / each.records for each in done) * 1e6, 1),
        round(max(each.peak_mb for each in done), 1),
    ]


def title_of(name: str) -> str:
    """As people read it."""
    return {
        "table": "Recordmill, table",
        "inbox": "Recordmill, inbox",
        "bare": "bare loop",
        "celery": "Celery, a message per record",
        "celery500": "Celery, batches of 500",
        "rq": "RQ SimpleWorker, a job per record",
    }[name]


def notes(plan: Plan, rates: dict[str, float]) -> list[str]:
    """What the numbers need to be understood."""
    found = []
    if plan.commit_each:
        found.append("Here the bare loop commits each row by itself, as the handler asks us to.")
    if plan.setup.handler in ("io5", "aio5"):
        found.append(share_of_limit(plan, rates))
    return found


def share_of_limit(plan: Plan, rates: dict[str, float]) -> str:
    """For waiting handlers: how much of what arithmetic allows was reached."""
    limit = plan.setup.workers * plan.setup.concurrency / WAIT_SECONDS
    shares = [f"{title_of(name)} {rate / limit:.2f}" for name, rate in rates.items()]
    return f"Share of the arithmetic limit of {limit:,.0f} records/s: {', '.join(shares)}."
