"""What a fault put at stake and what came of it: counted in the test's database after it.

A pytest plugin. A test that tries a fault is marked `fault("F4", "what was done")` and asks for
`trial`; it says when it strikes. After it nothing may be lost, doubled or broken. With
`--figures FILE` each trial becomes a line of JSON there; `--matrix` also runs what is too long
for every day.
"""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from tests import bootstrap


@dataclass
class Figures:
    """One fault, tried once; seconds from the strike until all was through, None if not asked."""

    fault: str
    what: str
    test: str
    database: str
    records: int = 0
    lost: int = 0
    doubled: int = 0
    seconds: float | None = None


class Trial:
    """A fault that is being tried."""

    def __init__(self, figures: Figures) -> None:
        self.figures = figures
        self._struck_at: float | None = None

    def strike(self) -> None:
        """The fault happens now."""
        self._struck_at = time.monotonic()

    def survived(self) -> None:
        """All is as it should be again; said by itself at the test's end."""
        if self._struck_at is not None and self.figures.seconds is None:
            self.figures.seconds = round(time.monotonic() - self._struck_at, 2)

    def count(self) -> None:
        """What the database says now."""
        from tests import stakes

        self.figures.records = stakes.at_stake()
        self.figures.lost = stakes.lost()
        self.figures.doubled = stakes.doubled()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--figures", metavar="FILE", help="append what each fault cost, as JSON")
    parser.addoption("--matrix", action="store_true", help="also run every action at every place")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--matrix"):
        return
    left = [item for item in items if item.get_closest_marker("matrix")]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


@pytest.fixture
def trial(request: pytest.FixtureRequest, transactional_db: None) -> Iterator[Trial]:
    """The fault of this test; at its end the books are checked and the figures kept."""
    from processors.ledger_check import QUESTIONS, check

    number, what = request.node.get_closest_marker("fault").args
    name = f"{request.node.path.relative_to(request.config.rootpath)}::{request.node.originalname}"
    trial = Trial(Figures(number, what, name, bootstrap.TEST_DATABASE))
    yield trial
    trial.survived()
    trial.count()
    keep(request.config, trial.figures)
    breaches = check(QUESTIONS)
    assert not breaches, "\n".join(map(str, breaches))
    assert (trial.figures.lost, trial.figures.doubled) == (0, 0)


def keep(config: pytest.Config, figures: Figures) -> None:
    """One more line in the file that was asked for."""
    if file := config.getoption("--figures"):
        with Path(file).open("a") as lines:
            lines.write(json.dumps(asdict(figures)) + "\n")
