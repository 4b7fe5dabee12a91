"""`python -m benchmarks`: see --help."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator

import psycopg2

from benchmarks import drain, growth, history, latency, memory, pages, publishing, report, suite
from benchmarks.findings import Finding, as_markdown, keep, say
from benchmarks.labour import LABOURS
from benchmarks.ours import SOURCES
from benchmarks.product import Setup
from benchmarks.report import NoResults
from benchmarks.servers import CommandFailed
from benchmarks.theirs import RIVALS, NotDone, NotInstalled
from benchmarks.verification import NotOnce
from deploy.embedded import NoRedisServer
from tests.servers import NoPostgres

TROUBLE = (
    *(psycopg2.Error, CommandFailed, NotDone, NotInstalled, NotOnce),
    *(NoPostgres, NoRedisServer, NoResults),
)
DATABASES = ["postgres", "sqlite"]


def main() -> int:
    options = make_parser().parse_args()
    try:
        if options.measure == "report":
            report.write()
        else:
            tell(MEASURES[options.measure](options), is_kept=not options.dry_run)
    except TROUBLE as error:
        say(f"error: {error}")
        return 1
    return 0


def tell(findings: Iterable[Finding], *, is_kept: bool) -> None:
    """Print each as it comes; keep what was found, also when a later one fails."""
    found = []
    try:
        for finding in findings:
            found.append(finding)
            print(f"\n{as_markdown(finding)}\n", flush=True)
    finally:
        if is_kept and found:
            say(f"kept in {keep(found)}; `python -m benchmarks report` writes docs/performance.md")


def names(known: Iterable[str]) -> Callable[[str], list[str]]:
    """An option's type: some of these, separated by commas."""
    allowed = list(known)

    def parse(text: str) -> list[str]:
        given = [word for word in text.split(",") if word]
        if unknown := [word for word in given if word not in allowed]:
            raise ValueError(f"{unknown[0]} is none of {', '.join(allowed)}")
        return given

    parse.__name__ = f"list of {', '.join(allowed)}"  # argparse names the type when it refuses
    return parse


def make_parser() -> ArgumentParser:
    parser = ArgumentParser(prog="python -m benchmarks", description=__doc__)
    measures = parser.add_subparsers(dest="measure", metavar="MEASURE")
    shared = ArgumentParser(add_help=False)
    shared.add_argument("--dry-run", action="store_true", help="print, keep no results")
    shared.add_argument("--records", type=int, default=100_000)
    shared.add_argument("--rounds", type=int, default=3)
    shared.add_argument("--full", action="store_true", help="the sizes of the goals: takes long")

    def add(name: str, text: str) -> ArgumentParser:
        return measures.add_parser(name, help=text, description=text, parents=[shared])

    add("suite", "all of the following, short: what is done when no measure is named")
    add_drain_options(add("drain", "drain N records, in turns with others"))
    add("publish", "publish JSON lines into the inbox, in turns with COPY")
    counted = add("latency", "from publish to the handler's start, against Celery")
    counted.add_argument("--count", type=int, default=200)
    counted.add_argument("--database", choices=DATABASES, default="postgres")
    add("growth", "cost of a record as rows pile up, waiting and done")
    add("memory", "a worker's memory after few and after --records records")
    add("perrecord", "one commit for each record, against a loop that does the same")
    add("pages", "server time and queries of every admin page over a large history")
    measures.add_parser("report", help="write docs/performance.md from the newest results")
    parser.set_defaults(measure="suite", dry_run=False, records=100_000, rounds=3, full=False)
    return parser


def add_drain_options(parser: ArgumentParser) -> None:
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--handler", choices=list(LABOURS), default="noop")
    parser.add_argument("--source", choices=[*SOURCES, "both"], default="table")
    parser.add_argument("--database", choices=DATABASES, default="postgres")
    parser.add_argument("--against", type=names(RIVALS), default=["bare"], metavar="NAME,…")
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=500)
    parser.add_argument("--results", action="store_true", help="the handler gives its hash")


def plan_of(options: Namespace) -> drain.Plan:
    """The drain that the options ask for."""
    setup = Setup(
        handler=options.handler,
        workers=options.workers,
        concurrency=options.concurrency,
        batch_size=options.batch_size,
        results=options.results,
    )
    sources = tuple(SOURCES) if options.source == "both" else (options.source,)
    return drain.Plan(
        options.records, options.database, sources, options.against, options.rounds, setup
    )


def run_suite(options: Namespace) -> Iterator[Finding]:
    return suite.run(full=options.full, records=options.records, rounds=options.rounds)


def run_memory(options: Namespace) -> list[Finding]:
    many = 1_000_000 if options.full else options.records
    return [memory.measure(many // 20, many, "postgres")]


MEASURES: dict[str, Callable[[Namespace], Iterable[Finding]]] = {
    "suite": run_suite,
    "drain": lambda options: [drain.measure(plan_of(options))],
    "publish": lambda options: [publishing.measure(options.records, options.rounds)],
    "latency": lambda options: [latency.measure(options.count, options.database)],
    "growth": lambda options: [growth.measure(growth.FULL_SIZES if options.full else growth.SIZES)],
    "memory": run_memory,
    "perrecord": lambda options: [
        drain.measure(suite.per_record(options.records // 20, options.rounds))
    ],
    "pages": lambda options: [pages.measure(history.FULL if options.full else history.SMALL)],
}

if __name__ == "__main__":
    sys.exit(main())
