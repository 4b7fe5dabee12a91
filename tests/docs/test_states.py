"""The drawings of docs/states.md show exactly the moves of processors/states.py."""

import re

import pytest

from processors import states
from processors.states import Moves
from tests.docs.blocks import blocks
from tests.servers import ROOT

PAGE = ROOT / "docs" / "states.md"
KINDS: dict[str, Moves] = {
    "Processor": states.PROCESSOR_MOVES,
    "Run": states.RUN_MOVES,
    "Batch": states.BATCH_MOVES,
    "Record": states.RECORD_MOVES,
}


def section(kind: str) -> str:
    return PAGE.read_text().split(f"\n## {kind}\n", 1)[1].split("\n## ", 1)[0]


def arrows(kind: str) -> list[tuple[str, str]]:
    drawn = re.findall(r"^    (\S+) --> (\S+)$", section(kind), re.MULTILINE)
    return [(before, after) for before, after in drawn if "[*]" not in (before, after)]


def ends(kind: str) -> set[str]:
    return set(re.findall(r"^    (\w+) --> \[\*\]$", section(kind), re.MULTILINE))


@pytest.mark.parametrize("kind", KINDS)
def test_a_drawing_has_exactly_the_moves_of_the_code(kind: str) -> None:
    moves = {(str(a), str(b)) for a, targets in KINDS[kind].items() for b in targets}

    assert sorted(arrows(kind)) == sorted(moves)


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_is_drawn_as_an_end_where_no_move_leaves_it(kind: str) -> None:
    assert ends(kind) == {str(state) for state, targets in KINDS[kind].items() if not targets}


@pytest.mark.parametrize("kind", KINDS)
def test_every_state_is_explained_in_the_order_of_the_code(kind: str) -> None:
    explained = re.findall(r"^- `(\w+)`: \S", section(kind), re.MULTILINE)

    assert explained == [str(state) for state in KINDS[kind]]


def test_a_drawing_holds_nothing_that_is_not_understood() -> None:
    line = re.compile(r"stateDiagram-v2|    (\[\*\]|\w+) --> (\[\*\]|\w+)")

    drawings = [block for block in blocks(PAGE) if block.language == "mermaid"]

    assert len(drawings) == len(KINDS)
    rows = [row for drawing in drawings for row in drawing.text.splitlines()]
    assert [row for row in rows if not line.fullmatch(row)] == []
