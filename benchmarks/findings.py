"""What a measurement found: printed as a table, kept as JSON with its date and machine."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.servers import ROOT, find_postgres

RESULTS = ROOT / "benchmarks" / "results"
Cell = str | float | None


@dataclass(frozen=True)
class Finding:
    """A table. `ratios` are for the picture: label → share of the bare loop."""

    measure: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    ratios: dict[str, float] = field(default_factory=dict)


def say(text: str) -> None:
    """Progress; tables alone go to stdout."""
    print(text, file=sys.stderr, flush=True)


def shown(cell: Cell) -> str:
    """A number with as many digits as mean something."""
    if cell is None:
        return "-"
    if isinstance(cell, str):
        return cell
    return f"{cell:,.0f}" if cell == int(cell) or abs(cell) >= 1000 else f"{cell:,.4g}"


def as_markdown(finding: Finding) -> str:
    """Title, table and notes."""
    cells = [list(finding.columns), *([shown(cell) for cell in row] for row in finding.rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(cells[0]))]
    lines = [in_line(row, widths) for row in cells]
    rule = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines.insert(1, in_line(rule, widths))
    return "\n".join([f"**{finding.title}**", "", *lines, *(f"\n{note}" for note in finding.notes)])


def in_line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """The first column to the left, numbers to the right."""
    first, *rest = zip(cells, widths, strict=True)
    words = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
    return f"| {' | '.join(words)} |"


def keep(findings: Iterable[Finding]) -> Path:
    """Write a file of results named after the time; where it is."""
    now = datetime.now(UTC)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now:%Y-%m-%dT%H%M%SZ}.json"
    data = {
        "date": now.isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "findings": [asdict(finding) for finding in findings],
    }
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    return path


def newest() -> list[tuple[dict[str, Any], Finding]]:
    """The newest finding of each measurement, with the file's head (date, commit, machine)."""
    found: dict[tuple[str, str], tuple[dict[str, Any], Finding]] = {}
    for path in sorted(RESULTS.glob("*.json")):
        data = json.loads(path.read_text())
        for each in data.pop("findings"):
            finding = Finding(**each)
            found[finding.measure, finding.title] = (data, finding)
    return list(found.values())


def commit() -> str:
    """What was measured: the commit, with + where files had been changed."""
    ask = ["git", "describe", "--always", "--dirty=+", "--exclude=*"]
    done = subprocess.run(ask, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def machine() -> dict[str, str]:
    """What the numbers depend on."""
    return {
        "cpu": f"{os.cpu_count()} cores of {cpu_model()}",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "postgres": postgres_version(),
    }


def cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def postgres_version() -> str:
    """Such as `15.14`."""
    program = str(find_postgres() / "postgres")
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.split("PostgreSQL)")[-1].split("(")[0].strip() or "unknown"
