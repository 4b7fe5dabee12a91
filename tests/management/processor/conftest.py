"""A definition in a file, and what is told of a run."""

import json
from pathlib import Path
from typing import Any

ORDERS = {"slug": "orders", "handler": "demo.price_order", "source": {"kind": "inbox"}}
RUN_FIELDS = {
    *("id", "seq", "state", "trigger", "started_at", "ended_at"),
    *("claimed", "done", "skipped", "retried", "dead", "parked", "crashed", "released"),
}


def a_file(directory: Path, content: Any) -> str:
    file = directory / "definitions.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(file)
