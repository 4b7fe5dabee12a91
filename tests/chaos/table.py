"""The figures as a table: for the terminal, and kept for docs/reliability.md."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from statistics import median
from typing import Any

from tests.chaos.faults import Struck


@dataclass(frozen=True)
class Row:
    """One kind of fault; `records` is the sum over the times it was tried.

    Seconds from its end until the next record took effect, None where none did afterwards.
    """

    fault: str
    what: str
    times: int
    records: int
    median_seconds: float | None
    longest_seconds: float | None


def rows(history: Iterable[Struck], effects_at: Sequence[float]) -> list[Row]:
    """By kind, in the order of their numbers."""

    def kind(struck: Struck) -> tuple[int, str, str]:
        return int(struck.fault.number[1:]), struck.fault.number, struck.fault.what

    return [
        row(number, what, list(group), effects_at)
        for (_, number, what), group in groupby(sorted(history, key=kind), kind)
    ]


def row(number: str, what: str, group: list[Struck], effects_at: Sequence[float]) -> Row:
    """One kind."""
    waits = [wait for struck in group if (wait := recovery(struck, effects_at)) is not None]
    return Row(
        fault=number,
        what=what,
        times=len(group),
        records=sum(struck.records for struck in group),
        median_seconds=round(median(waits), 2) if waits else None,
        longest_seconds=round(max(waits), 2) if waits else None,
    )


def recovery(struck: Struck, effects_at: Sequence[float]) -> float | None:
    """Seconds from the end of a fault to the next effect."""
    healed = struck.healed_at or struck.at
    place = bisect_right(effects_at, healed)
    return effects_at[place] - healed if place < len(effects_at) else None


def shown(found: Sequence[Row], lost: int, doubled: int) -> str:
    """For the terminal. Losses cannot be told apart by fault: they are those of the whole."""
    width = max(len(each.what) for each in found)
    head = f"{'':<4} {'fault':<{width}}  times  records  lost  doubled  recovered after s (longest)"
    lines = [
        f"{each.fault:<4} {each.what:<{width}}  {each.times:>5}  {each.records:>7}  {lost:>4}  "
        f"{doubled:>7}  {seconds(each.median_seconds):>17} {seconds(each.longest_seconds):>9}"
        for each in found
    ]
    return "\n".join([head, *lines])


def seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def as_data(found: Sequence[Row]) -> list[dict[str, Any]]:
    """For a file of results."""
    return [asdict(each) for each in found]
