"""docs/definition.md says what a definition may hold, and what holds where it says nothing."""

import json
import re
from pathlib import Path

import pytest

from processors.definitions import clean, dump
from processors.definitions.cleaning import FIELDS
from processors.definitions.triggers import TRIGGER_FIELDS
from processors.models import Processor
from tests.docs.blocks import blocks

PAGE = Path(__file__).parents[2] / "docs" / "definition.md"
NEEDED = ("slug", "handler", "source")


@pytest.mark.django_db
def test_the_whole_definition_on_the_page_is_what_its_three_fields_alone_mean() -> None:
    [shown] = [json.loads(block.text) for block in blocks(PAGE) if block.language == "json"]

    meant = clean({name: shown[name] for name in NEEDED})

    assert dump(Processor(**meant)) == shown
    assert clean(shown) == meant


def test_every_field_has_a_line() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", PAGE.read_text(), re.MULTILINE))

    assert told == set(FIELDS)


@pytest.mark.django_db
def test_every_trigger_on_the_page_is_one_with_all_its_parts() -> None:
    written = re.findall(r'^\| `(\{"kind": [^`]+\})` \|', PAGE.read_text(), re.MULTILINE)
    triggers = {trigger["kind"]: trigger for trigger in map(json.loads, written)}

    assert {kind: tuple(trigger) for kind, trigger in triggers.items()} == TRIGGER_FIELDS
    for kind, trigger in triggers.items():
        columns = clean({"slug": "x", "handler": "demo.price_order", "source": {"kind": "inbox"},
                         "trigger": trigger})  # fmt: skip
        assert columns["trigger_kind"] == kind
