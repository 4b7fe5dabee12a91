"""Every fault that can be tried by itself: pytest tries them, here their figures are kept."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.chaos import results
from tests.servers import ROOT


def run(database: str) -> int:
    """All tests marked `fault`, with the whole matrix of failpoints; pytest's exit code."""
    with tempfile.TemporaryDirectory() as directory:
        lines = Path(directory) / "figures.jsonl"
        command = [sys.executable, "-m", "pytest", "-q", "-m", "fault", "--matrix"]
        done = subprocess.run(
            [*command, "--figures", str(lines)],
            cwd=ROOT,
            env=os.environ | {"TEST_DATABASE": database},
            check=False,
        )
        figures: list[dict[str, Any]] = [json.loads(line) for line in lines.open()]
    print(f"kept in {results.keep(f'matrix-{database}', figures)}")
    return done.returncode
