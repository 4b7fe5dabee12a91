"""The same stories on both databases leave the same history, to the microsecond.

Postgres asks: it tells the stories here and has them told on SQLite by a process of its own.
"""

import json
import os
import subprocess
import sys

import pytest

from tests import bootstrap
from tests.model.history import tell
from tests.model.laboratory import laboratory
from tests.servers import ROOT

SEEDS = range(8)

pytestmark = pytest.mark.skipif(
    bootstrap.TEST_DATABASE == "sqlite", reason="asked on Postgres, of both"
)


def told_elsewhere(seeds: range) -> dict[int, list[str]]:
    """The histories as SQLite has them."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.model.history", *map(str, seeds)],
        cwd=ROOT,
        env=os.environ | {"TEST_DATABASE": "sqlite"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {int(seed): lines for seed, lines in json.loads(done.stdout).items()}


def test_both_databases_tell_the_same_stories(transactional_db: None) -> None:
    elsewhere = told_elsewhere(SEEDS)

    with laboratory() as clock:
        here = {seed: tell(clock, seed) for seed in SEEDS}

    assert sum(len(lines) for lines in here.values()) > 200
    for seed in SEEDS:
        assert here[seed] == elsewhere[seed], f"seed {seed}"
