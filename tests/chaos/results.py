"""Figures kept as JSON with date, commit and machine; docs/reliability.md shows them.

The last run of each part on each database counts; of the soup, that of each seed.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.findings import commit, machine
from tests.servers import ROOT

RESULTS = ROOT / "tests" / "chaos" / "results"


def keep(kind: str, figures: Any) -> Path:
    """Write a file for the kind, in place of the last one; where it is."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{kind}.json"
    data = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit(),
        "machine": machine(),
        "figures": figures,
    }
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    return path


def every(kind: str) -> list[dict[str, Any]]:
    """What `keep` wrote of a kind's seeds, in their order."""
    return [json.loads(path.read_text()) for path in sorted(RESULTS.glob(f"{kind}-*.json"))]


def newest(kind: str) -> dict[str, Any] | None:
    """What `keep` wrote, None where it never did."""
    path = RESULTS / f"{kind}.json"
    found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
    return found
