"""Queue, trigger and source of a definition."""

from typing import Any

import pytest

from processors.definitions import clean
from tests.definitions.conftest import a_definition, a_table, errors, saved

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


def test_an_unknown_queue_lists_the_known_ones() -> None:
    [sentence] = errors(queue="fast")["queue"]

    assert sentence == "Unknown queue 'fast'. Choose one of: default, high, low."


@pytest.mark.parametrize(
    ("trigger", "path"),
    [
        ({"kind": "cron", "cron": "61 * * * *"}, "trigger.cron"),
        ({"kind": "cron"}, "trigger.cron"),
        ({"kind": "cron", "cron": "0 * * * *", "time_zone": "Europe/Berln"}, "trigger.time_zone"),
        ({"kind": "cron", "cron": "0 * * * *", "misfire": "all"}, "trigger.misfire"),
        ({"kind": "manual", "cron": "0 * * * *"}, "trigger.cron"),
        ({"kind": ["cron"]}, "trigger.kind"),
        ("cron", "trigger.kind"),
    ],
)
def test_a_wrong_trigger_is_refused(trigger: Any, path: str) -> None:
    assert list(errors(trigger=trigger)) == [path]


def test_only_an_inbox_is_triggered_by_arrival() -> None:
    assert list(errors(source=a_table(), trigger={"kind": "arrival"})) == ["trigger.kind"]


@pytest.mark.parametrize(
    ("source", "path"),
    [
        (None, "source"),
        ("inbox", "source"),
        ({"kind": "folder"}, "source.kind"),
        ({"kind": ["inbox"]}, "source.kind"),
        ({"kind": "inbox", "topic": "a b"}, "source.topic"),
        ({"kind": "inbox", "topik": "a"}, "source.topik"),
    ],
)
def test_a_wrong_source_is_refused(source: Any, path: str) -> None:
    assert path in errors(source=source)


def test_problems_of_a_table_are_told_by_their_path() -> None:
    found = errors(source=a_table(words={"new": "NEW", "done": "NEW"}, payload=["nothing"]))

    assert set(found) == {"source.words.done", "source.payload"}


def test_a_handler_in_our_transaction_needs_a_table_of_ours() -> None:
    assert list(errors(handler="sample.book", source=a_table("shop"))) == ["source.database"]
    assert clean(a_definition(handler="sample.book", source=a_table()))


def test_a_handler_in_our_transaction_works_one_by_one() -> None:
    assert list(errors(handler="sample.book", concurrency=2)) == ["concurrency"]
    assert clean(a_definition(handler="sample.pay", concurrency=2))


def test_b40_two_processors_do_not_take_the_same_rows() -> None:
    first = saved(source=a_table())

    [said] = errors(slug="more", source=a_table())["source.table"]
    assert said.startswith("Processor 'Orders' already takes these rows. Give each its own word")
    assert clean(a_definition(source=a_table()), existing=first)


def test_b40_another_new_word_takes_other_rows() -> None:
    saved(source=a_table())
    words = {"new": "AGAIN", "claimed": "TAKEN", "done": "DONE", "failed": "ERROR"}

    assert clean(a_definition(slug="more", source=a_table(words=words)))
