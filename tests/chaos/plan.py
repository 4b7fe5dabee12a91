"""How long, how much, how often: what a run of the soup is told."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """`seconds` of faults, one each `between` seconds; `per_second` records are inserted.

    With `regular_seconds`, Redis is emptied, the database crashes and every worker is told to
    leave in turn (a deploy), each once in that time. `spared`: see Crew.
    """

    seed: int
    seconds: float
    database: str
    per_second: float = 40.0
    workers: int = 3
    schedulers: int = 2
    between: tuple[float, float] = (0.5, 4.0)
    regular_seconds: float | None = None
    spared: int = 0


def soak(seed: int, seconds: float, database: str, per_second: float) -> Plan:
    """Many records, few faults, for long."""
    return Plan(
        seed,
        seconds,
        database,
        per_second,
        workers=4,
        between=(5.0, 60.0),
        regular_seconds=min(900.0, seconds / 4),
        spared=1,
    )
