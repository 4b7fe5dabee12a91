"""How long a record waits before it is tried again. Pure; the seed makes it repeatable."""

from hashlib import sha256

JITTER = 0.2
"""Largest share by which a wait is shortened or lengthened, so that failures spread out."""

_ENOUGH_DOUBLINGS = 1000  # 2**1000 is still a float; more would raise OverflowError


def delay_seconds(attempt: int, base: float, cap: float, seed: str) -> float:
    """Seconds to wait after the given attempt (the first is 1) has failed.

    Doubles from `base` up to `cap`, then moves by up to ±20 % as a hash of `seed` says: equal
    arguments give an equal wait, and with one seed a later attempt never waits less.
    Never above 1.2 · `cap`. ValueError for an attempt below 1 or a negative time.
    """
    if attempt < 1 or base < 0 or cap < 0:
        raise ValueError(f"No wait for attempt {attempt}, base {base} s, cap {cap} s.")
    doubled = base * 2.0 ** min(attempt - 1, _ENOUGH_DOUBLINGS)
    return min(cap, doubled) * (1 + JITTER * _spread(seed))


def _spread(seed: str) -> float:
    """A number between minus one and one drawn from the seed, the same in every process."""
    drawn = int.from_bytes(sha256(seed.encode()).digest()[:6])
    return 2 * drawn / (2**48 - 1) - 1
