"""Two processors never take the same rows (B40, F76)."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from processors.definitions import InvalidDefinition, clean
from processors.models import Processor
from processors.sources.overlap import contradict
from tests.tables import WORDS, Table

pytestmark = pytest.mark.django_db(databases=["default", "shop"])

TAKEN = "'First' already takes these rows"
OTHER = {"new": "READY", "claimed": "BUSY", "done": "SENT", "failed": "BAD"}


@pytest.fixture
def goods() -> Table:
    return Table("default")


def a_definition(slug: str, source: dict[str, Any]) -> dict[str, Any]:
    return {"slug": slug, "handler": "demo.price_order", "source": source}


def saved(source: dict[str, Any]) -> Processor:
    return Processor.objects.create(**clean(a_definition("first", source)))


def is_refused(source: dict[str, Any]) -> bool:
    try:
        clean(a_definition("second", source))
    except InvalidDefinition as error:
        return [path for path, [said] in error.errors.items() if TAKEN in said] == ["source.table"]
    return False


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ({}, True),
        ({"words": OTHER}, False),
        ({"words": OTHER | {"new": "new "}}, True),
        ({"words": OTHER | {"new": "DONE"}}, False),
        ({"words": OTHER | {"new": "TAKEN"}}, True),
        ({"words": OTHER | {"claimed": "NEW"}}, True),
        ({"filter": [["name", "=", "b"]]}, False),
        ({"filter": [["name", "=", "A "]]}, True),
        ({"filter": [["name", "!=", "a"]]}, False),
        ({"filter": [["name", "is null"]]}, False),
        ({"filter": [["name", "in", ["b", "a"]]]}, True),
        ({"filter": [["id", ">", 5]]}, True),
    ],
)
def test_a_second_processor_needs_other_words_or_a_filter_that_excludes(
    goods: Table, changes: dict[str, Any], refused: bool
) -> None:
    saved(goods.source(filter=[["name", "=", "a"]]))

    assert is_refused(goods.source(**changes)) is refused


@pytest.mark.parametrize(
    ("one", "other", "excluded"),
    [
        (["=", 1], ["=", 2], True),
        (["=", 1], ["=", 1.0], False),
        (["=", "x"], ["in", ["y", "z"]], True),
        (["in", ["x", "y"]], ["!=", "x"], False),
        (["is null", None], ["is not null", None], True),
        (["is null", None], ["!=", "x"], True),
        (["is null", None], ["is null", None], False),
        (["is not null", None], ["=", 1], False),
        (["=", 5], ["<", 5], True),
        (["=", 5], ["<=", 5], False),
        (["in", [1, 2]], [">", 2], True),
        (["=", "5"], ["<", "5"], False),  # text: its order is the collation's
        (["<", 5], [">=", 5], True),
        (["<=", 5], [">=", 5], False),
        (["<=", 5], [">", 5], True),
        (["<=", 4], [">=", 5], True),
        (["<", "2026-01-01"], [">=", "2026-01-01"], True),
        (["<", "2026-01-01"], [">=", "2026-02-01"], False),
        (["<", 5], ["<", 9], False),
        (["!=", 1], ["!=", 2], False),
    ],
)
def test_conditions_exclude_each_other_only_where_that_is_certain(
    one: list[Any], other: list[Any], excluded: bool
) -> None:
    assert contradict(one, other) is excluded
    assert contradict(other, one) is excluded


def test_in_mode_c_filters_do_not_count() -> None:
    table = Table("shop", status_length=8)
    saved(table.source(filter=[["name", "=", "a"]]))

    assert is_refused(table.source(filter=[["name", "=", "b"]]))


def test_in_mode_b_they_do() -> None:
    table = Table("shop")
    saved(table.source(filter=[["name", "=", "a"]]))

    assert not is_refused(table.source(filter=[["name", "=", "b"]]))


def test_a_table_of_the_same_name_elsewhere_is_another(goods: Table) -> None:
    saved(goods.source())

    assert not is_refused(Table("shop").source())


def test_loading_refuses_as_the_form_does(goods: Table, tmp_path: Any) -> None:
    both = [a_definition(slug, goods.source()) for slug in ("first", "second")]
    file = tmp_path / "both.json"
    file.write_text(json.dumps(both))

    with pytest.raises(CommandError, match=TAKEN):
        call_command("processor", "load", str(file))

    assert not Processor.objects.exists()


@pytest.fixture
def same_database(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """'shop' is another name for our own database."""
    connections["shop"].close()
    name = connections["default"].settings_dict["NAME"]
    monkeypatch.setitem(connections["shop"].settings_dict, "NAME", name)
    yield
    connections["shop"].close()


@pytest.mark.django_db(databases=["default", "shop"], transaction=True)
@pytest.mark.usefixtures("same_database")
def test_the_same_table_behind_another_alias_is_the_same() -> None:
    table = Table("default")
    saved(table.source())

    assert is_refused({**table.source(), "database": "shop"})
    table.drop()


def test_a_partition_is_a_part_of_its_table() -> None:
    if connections["shop"].vendor != "postgresql":
        pytest.skip("SQLite has no partitions")
    with connections["shop"].cursor() as cursor:
        cursor.execute(
            "CREATE TABLE parted (id int, status varchar(20), PRIMARY KEY (id))"
            " PARTITION BY RANGE (id)"
        )
        cursor.execute("CREATE TABLE part_1 PARTITION OF parted FOR VALUES FROM (0) TO (100)")
        cursor.execute("CREATE TABLE part_2 PARTITION OF parted FOR VALUES FROM (100) TO (200)")
    parts = {"database": "shop", "kind": "table", "key": "id", "status": "status", "words": WORDS}
    saved(parts | {"table": "part_1"})

    assert is_refused(parts | {"table": "parted"})
    assert not is_refused(parts | {"table": "part_2"})
