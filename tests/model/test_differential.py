"""The same stories on both databases leave the same history, to the microsecond.

Postgres asks: it tells the stories here and has them told on SQLite by a process of its own.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests import bootstrap
from tests.model.history import tell
from tests.model.laboratory import laboratory
from tests.servers import ROOT

SEEDS = range(8)

pytestmark = [
    pytest.mark.skipif(bootstrap.TEST_DATABASE == "sqlite", reason="asked on Postgres, of both"),
    pytest.mark.timeout(900),  # hundreds of transactions
]


@contextmanager
def told_elsewhere(seeds: range) -> Iterator[Callable[[], dict[int, list[str]]]]:
    """The histories as SQLite has them; they are told meanwhile."""
    teller = subprocess.Popen(
        [sys.executable, "-m", "tests.model.history", *map(str, seeds)],
        cwd=ROOT,
        env=os.environ | {"TEST_DATABASE": "sqlite"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )

    def hear() -> dict[int, list[str]]:
        told, trouble = teller.communicate(timeout=800)
        assert teller.returncode == 0, trouble[-3000:]
        return {int(seed): lines for seed, lines in json.loads(told).items()}

    with teller:
        try:
            yield hear
        finally:
            teller.kill()


def test_both_databases_tell_the_same_stories(transactional_db: None) -> None:
    with told_elsewhere(SEEDS) as hear, laboratory() as clock:
        here = {seed: tell(clock, seed) for seed in SEEDS}
        elsewhere = hear()

    assert sum(len(lines) for lines in here.values()) > 200
    for seed in SEEDS:
        assert here[seed] == elsewhere[seed], f"seed {seed}"
