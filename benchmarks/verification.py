"""Was every record handled exactly once, with the right result?"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from benchmarks.labour import body, digest, read_trace

SHOWN = 5


class NotOnce(Exception):
    """A record was handled twice, not at all, or wrongly: the numbers are worth nothing."""


def check_statuses(statuses: Mapping[str, int], count: int, done: str = "DONE") -> None:
    """Every record is done. Raises NotOnce."""
    if statuses != {done: count}:
        raise NotOnce(f"{count} records should be {done}, but they are {dict(statuses)}.")


def check_counters(report: Mapping[str, object], count: int) -> None:
    """The product's own books of a run: all done at the first try. Raises NotOnce."""
    names = ("claimed", "done", "skipped", "retried", "dead", "parked", "crashed", "released")
    counters = {name: report[name] for name in names if report[name]}
    if counters != {"claimed": count, "done": count}:
        raise NotOnce(f"{count} records should be done, but the run says {counters}.")


def check_trace(directory: Path, count: int) -> None:
    """Every record from 1 to `count` was handled once, rightly. Raises NotOnce."""
    lines = Counter(read_trace(directory))
    right = {f"{n} {digest(body(n))}" for n in range(1, count + 1)}
    doubled = [line for line, times in lines.items() if times > 1]
    complain("handled more than once", [line.split()[0] for line in doubled])
    complain("not handled, or wrongly", [line.split()[0] for line in right - set(lines)])
    complain("handled wrongly, or unknown", [line.split()[0] for line in set(lines) - right])


def check_results(results: Mapping[str, str | None], count: int) -> None:
    """Every record from 1 to `count` has the right result. Raises NotOnce."""
    wrong = [str(n) for n in range(1, count + 1) if results.get(str(n)) != digest(body(n))]
    complain("without the right result", wrong)


def complain(what: str, keys: list[str]) -> None:
    """Raise NotOnce where there are such records."""
    if keys:
        shown = ", ".join(sorted(keys)[:SHOWN]) + (", …" if len(keys) > SHOWN else "")
        raise NotOnce(f"{len(keys)} record(s) {what}: {shown}")
