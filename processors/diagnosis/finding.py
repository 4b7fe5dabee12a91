"""What the doctor says."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    ERROR = "error"  # something does not work, or may do harm
    WARNING = "warning"  # it works, but not for long or not well


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. `fix` mends it, where the doctor can do so without risk."""

    level: Level
    what: str
    where: str
    mend: str
    fix: Callable[[], None] | None = field(default=None, compare=False)


def error(where: object, what: str, mend: str, fix: Callable[[], None] | None = None) -> Finding:
    """Something does not work."""
    return Finding(Level.ERROR, what, str(where), mend, fix)


def warning(where: object, what: str, mend: str, fix: Callable[[], None] | None = None) -> Finding:
    """Something will not go well for long."""
    return Finding(Level.WARNING, what, str(where), mend, fix)
