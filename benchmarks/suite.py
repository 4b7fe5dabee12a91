"""Which measurements belong together: the short run of `make bench`, and the full one."""

from collections.abc import Iterator

from benchmarks import drain, growth, history, latency, memory, pages, publishing
from benchmarks.findings import Finding
from benchmarks.product import Setup

BOTH = ("table", "inbox")
ALL = ("bare", "celery", "celery500", "rq")


def run(*, full: bool, records: int, rounds: int) -> Iterator[Finding]:
    """One finding after the other; `full` takes the sizes of the goals, and an hour."""
    yield drain.measure(drain.Plan(records, "postgres", BOTH, ALL, rounds))
    yield drain.measure(drain.Plan(records, "sqlite", BOTH, ("bare",), rounds))
    waiting = Setup(handler="io5", concurrency=16)
    yield drain.measure(drain.Plan(records // 5, "postgres", BOTH, (), rounds, waiting))
    yield drain.measure(per_record(records // 20, rounds))
    yield publishing.measure(records, rounds)
    yield latency.measure(200 if full else 50, "postgres")
    yield growth.measure(growth.FULL_SIZES if full else growth.SIZES[:2])
    yield memory.measure(50_000, 1_000_000 if full else 200_000, "postgres")
    yield pages.measure(history.FULL if full else history.SMALL)


def per_record(records: int, rounds: int) -> drain.Plan:
    """A handler whose effects cannot be repeated, against a loop that commits each row."""
    setup = Setup(handler="unrepeatable")
    return drain.Plan(records, "postgres", BOTH, ("bare",), rounds, setup, commit_each=True)
