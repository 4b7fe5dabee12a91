"""Mode B: which tables have rows that are marked, and what a mark is."""

from typing import Any

import pytest

from processors.sources.inspection import inspect_source
from processors.sources.marks import Marks
from tests.tables import WORDS, Table

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "shop"])


def a_source(**changes: Any) -> dict[str, Any]:
    return Table("shop").source(**changes)


def test_a_text_column_with_room_is_marked() -> None:
    assert inspect_source(a_source()).normal["mode"] == "B"


@pytest.mark.parametrize(
    "words", [WORDS | {"claimed": None}, WORDS | {"claimed": ""}, WORDS | {"claimed": "PROCESSING"}]
)
def test_without_a_word_or_the_room_for_a_mark_rows_are_not_marked(words: dict[str, Any]) -> None:
    found = inspect_source(a_source(words=words))

    assert found.problems == {}
    assert found.normal["mode"] == "C"


@pytest.mark.parametrize("rows", [0, 1])
def test_a_table_with_a_check_on_its_status_is_not_marked(rows: int) -> None:
    table = Table("shop")
    table.drop()
    allowed = ", ".join(f"'{word}'" for word in WORDS.values())
    table.run(
        "CREATE TABLE goods (id bigint PRIMARY KEY, name text,"
        f" status varchar(20) NOT NULL DEFAULT 'NEW' CHECK (status IN ({allowed})))"
    )
    table.fill(range(rows))

    found = inspect_source(table.source())

    assert found.problems == {}
    assert found.normal["mode"] == "C"
    table.drop()


def test_a_whole_number_is_not_marked() -> None:
    table = Table("shop")
    table.drop()
    table.run("CREATE TABLE goods (id bigint PRIMARY KEY, name text, status integer)")

    words = {"new": 0, "claimed": 1, "done": 2, "failed": 3}
    found = inspect_source(table.source(words=words))

    assert found.problems == {}
    assert found.normal["mode"] == "C"
    table.drop()


def test_marks_of_two_processors_differ_and_know_their_own() -> None:
    first, second = Marks("TAKEN", "here", 1), Marks("TAKEN", "here", 2)

    assert first.is_own(first.of(17))
    assert first.is_own(first.held)
    assert first.first <= first.of(17) <= first.last
    assert not first.is_own(second.of(17))
    assert not first.is_own("TAKEN")
    assert len({first.of(n) for n in range(1000)}) == 1000
