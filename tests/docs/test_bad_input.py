"""docs/bad-input.md names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "bad-input.md").read_text()


def test_every_test_that_the_page_names_is_in_a_file_that_it_names() -> None:
    files = {
        name: (ROOT / name).read_text() for name in set(re.findall(r"`(tests/\S+\.py)`", PAGE))
    }
    named = set(re.findall(r"`(test_\w+)`", PAGE))

    assert len(named) > 30
    assert {
        one for one in named if not any(f"def {one}(" in text for text in files.values())
    } == set()


def test_every_line_is_tried_or_said_to_be_impossible() -> None:
    told: set[int] = set()
    for first, last in re.findall(r"B(\d+)(?:–B(\d+))?", PAGE):  # noqa: RUF001
        told |= set(range(int(first), int(last or first) + 1))

    assert set(range(1, 101)) - told == set()
