"""The examples of docs/sources.md are definitions, records and statements that work."""

import json
from typing import Any

import pytest
from django.db import connection

from processors import definitions, publish
from processors.models import Record
from tests.docs.blocks import Block, blocks
from tests.factories import make_processor
from tests.servers import ROOT


def examples(language: str) -> list[Block]:
    return [b for b in blocks(ROOT / "docs" / "sources.md") if b.language == language]


@pytest.mark.django_db
def test_the_examples_of_definitions_can_be_loaded() -> None:
    found = [json.loads(each.text) for each in examples("json") if '"source"' in each.text]
    inbox, table = found

    cleaned = definitions.clean({**inbox, "handler": "demo.log_registration"})
    from_table = definitions.clean(table)

    assert (cleaned["source_kind"], from_table["source_kind"]) == ("inbox", "table")
    assert from_table["source"]["mode"] == "A"


@pytest.mark.django_db
def test_the_example_of_a_record_can_be_published() -> None:
    [line] = [each.text for each in examples("json") if '"expires_at"' in each.text]
    processor = make_processor(slug="invoices")

    published = publish("invoices", [json.loads(line)])

    assert published.new == 1
    assert Record.objects.get(processor=processor).priority == 5


@pytest.mark.django_db
def test_the_example_of_publishing_in_python_runs() -> None:
    [code] = [each.text for each in examples("python")]
    processor = make_processor(slug="invoices")

    exec(compile(code, "docs/sources.md", "exec"), {})

    assert Record.objects.filter(processor=processor, key="R-1").exists()


@pytest.mark.django_db
def test_the_index_that_is_advised_can_be_made() -> None:
    [sql] = [each.text for each in examples("sql")]
    with connection.cursor() as cursor:
        cursor.execute("DROP INDEX shop_order_status")  # the demo's own has the same name

        cursor.execute(sql)

    assert "shop_order_status" in indexes_of("shop_order")


def indexes_of(table: str) -> dict[str, Any]:
    with connection.cursor() as cursor:
        return connection.introspection.get_constraints(cursor, table)
