"""How a processor's runs usually go: many values in a few numbers, and what is unusual by them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from statistics import fmean, median

ENOUGH = 5  # values, below which nothing is usual
SLOW = 2  # times the usual length
SHORT_SECONDS = 5  # a run that short is never called slow
HIGH = 0.95


@dataclass(frozen=True)
class Spread:
    """`count` values: the least, the most, their mean and median, how far they lie from the mean
    (their standard deviation), and `high`, which 95 of a hundred do not exceed."""

    count: int
    least: float
    mean: float
    median: float
    high: float
    most: float
    deviation: float


def spread_of(values: Sequence[float]) -> Spread | None:
    """These values in numbers; None of too few."""
    if len(values) < ENOUGH:
        return None
    ordered = sorted(values)
    least, most = ordered[0], ordered[-1]
    mean = min(most, max(least, fmean(ordered)))  # rounding must not push it out
    return Spread(
        count=len(ordered),
        least=least,
        mean=mean,
        median=median(ordered),
        high=ordered[ceil(HIGH * len(ordered)) - 1],
        most=most,
        deviation=sqrt(fmean((value - mean) ** 2 for value in ordered)),
    )


def usual(values: Sequence[float]) -> float | None:
    """The median; None of too few values."""
    return median(values) if len(values) >= ENOUGH else None


def is_slow(seconds: float, usual_seconds: float | None) -> bool:
    """Whether a run takes, or took, more than twice as long as is usual."""
    if usual_seconds is None or seconds < SHORT_SECONDS:
        return False
    return seconds > SLOW * usual_seconds
