"""What may be put into an inbox, what is refused, and how each refusal reads."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from processors import InvalidRecord, KeyTaken, UnknownTarget, find_record, publish, publishing
from processors.models import Processor, Record
from processors.publishing import Published
from processors.sources.arrivals import Prepared
from tests.handling.models import Effect
from tests.stories import define, run_here

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def inbox(transactional_db: None) -> Processor:
    return define("echo")


def item(key: Any = "a", payload: Any = None, **more: Any) -> dict[str, Any]:
    return {"key": key, "payload": {} if payload is None else payload, **more}


def test_new_and_known_records_are_counted(inbox: Processor) -> None:
    first = publish("story", [item("a"), item("b")])
    second = publish("story", [item("b"), item("c")])

    assert (first.new, first.known) == (2, 0)
    assert (second.new, second.known) == (1, 1)
    assert Record.objects.count() == 3


def test_a_key_with_another_payload_is_refused_and_nothing_is_stored(inbox: Processor) -> None:
    publish("story", [item("a", {"n": 1})])

    with pytest.raises(KeyTaken, match="'a' exists with another payload"):
        publish("story", [item("new"), item("a", {"n": 2})])

    assert list(Record.objects.values_list("key", flat=True)) == ["a"]


@pytest.mark.parametrize("number", [4.914224511329518e16, 1e22, 0.1, -0.0, 1e-7, 10**300])
def test_a_payload_sent_again_is_known_whatever_its_numbers(inbox: Processor, number: Any) -> None:
    publish("story", [item("a", {"n": number})])

    assert publish("story", [item("a", {"n": number})]) == Published(new=0, known=1)


def test_true_is_another_payload_than_one(inbox: Processor) -> None:
    publish("story", [item("a", {"n": [True]})])

    with pytest.raises(KeyTaken):
        publish("story", [item("a", {"n": [1]})])


def test_the_same_key_twice_in_one_go_with_two_payloads_is_refused(inbox: Processor) -> None:
    with pytest.raises(KeyTaken):
        publish("story", [item("a", {"n": 1}), item("a", {"n": 2})])

    assert not Record.objects.exists()


def test_a_topic_reaches_every_inbox_that_listens(inbox: Processor) -> None:
    for slug in ("one", "two"):
        define("echo", {"kind": "inbox", "topic": "news"}, slug=slug, name=slug)

    published = publish("news", [item("a")])

    assert published.new == 2
    assert set(Record.objects.values_list("processor__slug", flat=True)) == {"one", "two"}


@pytest.mark.parametrize("target", ["nobody", "", "a\x00b", "\ud800"])
def test_an_unknown_target_is_named(inbox: Processor, target: str) -> None:
    with pytest.raises(UnknownTarget, match=re.escape(repr(target))):
        publish(target, [item()])


@pytest.mark.parametrize(
    ("bad", "sentence"),
    [
        ("x", "Expected an object with 'key' and 'payload'"),
        (42, "Expected an object with 'key' and 'payload'"),
        ({"key": "a"}, "Expected an object with 'key' and 'payload'"),
        ({"key": "a", "payload": {}, "colour": 1}, "Unknown field 'colour'"),
        (item(""), "The key is empty"),
        (item("  "), "The key is empty"),
        (item(7), "must be a text"),
        (item("k" * 201), "201 characters"),
        (item("a\nb"), "control character"),
        (item("\ud800"), "lone surrogate"),
        (item(payload=[1]), "must be an object"),
        (item(payload={"price": float("nan")}), r"NaN is not JSON \(at payload.price\)"),
        (item(payload={"a": {"b": float("inf")}}), r"Infinity is not JSON \(at payload.a.b\)"),
        (item(payload={"note": "a\x00b"}), r"U\+0000 can't be stored \(payload.note\)"),
        (item(payload={"a\x00": 1}), r"U\+0000 can't be stored"),
        (item(payload={"n": 10**1500}), r"Number too long \(payload.n\)"),
        (item(payload={"t": "\udc00"}), "lone surrogate"),
        (item(payload={"t": "x" * 1_100_000}), "the limit is 1 MB"),
        (item(payload={"t": {1, 2}}), "not JSON"),
        (item(priority=10), "from 0 to 9"),
        (item(priority=True), "from 0 to 9"),
        (item(available_at="tomorrow"), "not a time"),
        (item(available_at="2026-11-25T10:00:00"), "give a time zone"),
        (item(available_at="9999-01-01T00:00:00+00:00"), "more than a year ahead"),
    ],
)
def test_what_cannot_be_stored_alike_everywhere_is_refused(
    inbox: Processor, bad: Any, sentence: str
) -> None:
    with pytest.raises(InvalidRecord, match=sentence) as refused:
        publish("story", [item("good"), bad])

    assert refused.value.index == 1
    assert not Record.objects.exists()


def test_what_is_nested_too_deeply_is_refused(inbox: Processor) -> None:
    deep: Any = []
    for _ in range(20_000):
        deep = [deep]

    with pytest.raises(InvalidRecord, match="deeper than 50 levels"):
        publish("story", [item(payload={"deep": deep})])


def test_odd_but_honest_text_is_kept_as_it_is(inbox: Processor) -> None:
    odd = {"t": "\\u0000 </script> 🐢 ", "__proto__": {"py/object": "os.system"}}

    publish("story", [item("ключ/.. ", odd)])

    assert Record.objects.get().payload == odd


def test_higher_priorities_are_handled_first_then_in_order_of_arrival(inbox: Processor) -> None:
    past = datetime.now(UTC) - timedelta(hours=1)
    publish("story", [item("late"), item("urgent", priority=9), item("early", available_at=past)])

    Processor.objects.update(handler="handling.remember_key")
    run_here(inbox)

    done = Effect.objects.order_by("id").values_list("key", flat=True)
    assert list(done) == ["urgent", "early", "late"]


def test_a_publisher_can_see_what_became_of_a_record(inbox: Processor) -> None:
    publish("story", [item("a", {"x": 1})])
    before = find_record("story", "a")

    run_here(inbox)
    after = find_record("story", "a")

    assert before is not None
    assert after is not None
    assert (before.state, after.state) == ("ready", "done")
    assert after.result == {"x": 1}
    assert find_record("story", "unknown") is None


def test_what_failed_before_it_was_done_is_history_and_no_error(inbox: Processor) -> None:
    Processor.objects.update(handler="handling.third_time")
    publish("story", [item("a")])

    run_here(inbox)
    record = find_record("story", "a")

    assert record is not None
    assert (record.state, record.attempts, record.error) == ("done", 2, "")
    assert record.history == ["not yet", "not yet"]


def test_many_at_once_keep_every_character_and_every_field(inbox: Processor) -> None:
    odd = 'back\\slash \\N \\. "quote" tab\t newline\n ünï😀 \\u0041'
    later = datetime.now(UTC) + timedelta(days=1)
    items: list[dict[str, Any]] = [{"key": f"{n}", "payload": {"n": n}} for n in range(600)]
    items[7] = {"key": "a\\b\\N", "payload": {odd: odd}, "priority": 9}
    items[8] |= {"available_at": later, "expires_at": later + timedelta(days=1)}

    assert publish("story", items) == Published(600, 0)

    kept = Record.objects.get(key="a\\b\\N")
    assert (kept.payload, kept.priority) == ({odd: odd}, 9)
    waits = Record.objects.get(key="8")
    assert (waits.available_at, waits.expires_at) == (later, later + timedelta(days=1))
    assert waits.waits
    assert not waits.failed_at


def test_many_of_which_some_are_known_are_stored_once(inbox: Processor) -> None:
    items = [{"key": f"{n}", "payload": {"n": n}} for n in range(600)]
    publish("story", items[300:400])

    assert publish("story", items) == Published(500, 100)

    assert Record.objects.count() == 600


def test_large_payloads_are_stored_a_few_at_a_time() -> None:
    big = Prepared("story", "k", "x" * 3_000_000)

    sizes = [len(chunk) for chunk in publishing.chunks(iter([big] * 7), read_ahead=False)]

    assert sizes == [3, 3, 1]
