"""Nothing may surprise the product: tracebacks in its logs are counted, all but expected ones."""

import re
from collections import Counter

BEGIN = "Traceback (most recent call last):"
CHAINED = ("The above exception was the direct cause", "During handling of the above exception")
# What RQ tells with a traceback when a fault meets RQ's own code: Redis cut or emptied under a
# worker, which then ends and is started again, and the foreign job that we pushed ourselves.
EXPECTED = re.compile(
    r"^(redis\.exceptions\.(ConnectionError|TimeoutError|BusyLoadingError|OutOfMemoryError)"
    r"|rq\.exceptions\.(InvalidJobOperation|NoSuchJobError|DeserializationError))"
)


def surprises(logs: dict[str, str]) -> Counter[str]:
    """The last line of every traceback that is not expected, and how often it came."""
    found: Counter[str] = Counter()
    for log in logs.values():
        found.update(line for line in ends(log) if not EXPECTED.search(line))
    return found


def ends(log: str) -> list[str]:
    """The line that each traceback ends with; of a chain of them only the last."""
    found: list[str] = []
    is_chained = False
    lines = iter(log.replace("\\n", "\n").splitlines())
    for line in lines:
        if line.startswith(CHAINED):
            is_chained = True
        elif BEGIN in line:
            if is_chained:
                found.pop()
            found.append(next(filter(is_end, lines), "cut off"))
            is_chained = False
    return found


def is_end(line: str) -> bool:
    """Frames of a traceback are indented; what follows them is not."""
    return bool(line.strip()) and not line.startswith((" ", "\t"))
