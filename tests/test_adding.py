"""What a person pastes is read as `publish` reads it: or a sentence for each bad line."""

import json

import pytest

from processors import adding, control, maintenance
from processors.acts import Refused
from processors.adding import NotAdded
from processors.incoming import JsonArray
from processors.models import Event, Processor, Record, Run
from processors.storable import BadJson
from tests.stories import act, define

pytestmark = pytest.mark.django_db

ONE = '{"key": "A-1", "payload": {"n": 1}}'
TWO = '{"key": "A-2", "payload": {"n": 2}, "priority": 9}'


@pytest.fixture
def processor(db: None) -> Processor:
    return define("echo")


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(NotAdded) as refused:
        adding.read_records("story", text.encode())
    return refused.value.problems


@pytest.mark.parametrize(
    "text",
    [
        f"{ONE}\n{TWO}",
        f"{ONE}\n\n{TWO}\n",
        f"[{ONE},{TWO}]",
        f"\ufeff [\n{ONE} ,\n {TWO}\n]\n",
    ],
)
def test_lines_and_arrays_say_the_same(text: str) -> None:
    assert adding.read_records("story", text.encode()) == [json.loads(ONE), json.loads(TWO)]


def test_every_bad_line_is_named() -> None:
    found = problems(f'{ONE}\n{{"key": 7, "payload": {{}}}}\nnonsense\n{TWO}\n[1]')

    assert [one.split(":")[0] for one in found] == ["Line 2", "Line 3", "Line 5"]
    assert "The key must be a text" in found[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"[{ONE},\n{{}}]", "Line 2: Expected an object with 'key' and 'payload'."),
        (f"[{ONE}\n{TWO}]", "Line 2: expected a comma or “]”."),
        (f"[{ONE},\n]", "Line 2: nothing follows the last comma."),
        (f"[{ONE}]\n\nmore", "Line 3: something follows the end of the array."),
        (f"[{ONE},\n\n{{]", "Line 3: column 2: "),
        ("[" * 100_000, "Line 1: nested too deeply."),
        ("[]", "There is no record in it"),
        ("\n\n", "There is no record in it"),
        ('{"key": "A", "payload": {"n": NaN}}', "Line 1: NaN is not JSON."),
        ('{"key": "A", "key": "B", "payload": {}}', "Line 1: 'key' is given twice"),
    ],
)
def test_what_is_wrong_has_its_line(text: str, said: str) -> None:
    assert problems(text)[0].startswith(said)


def test_no_more_problems_are_listed_than_a_person_reads() -> None:
    found = problems("nonsense\n" * 500)

    assert len(found) == adding.PROBLEMS_SHOWN + 1
    assert found[-1] == "and 490 more."


def test_bytes_that_are_no_text_are_refused_with_their_line() -> None:
    with pytest.raises(NotAdded, match="Line 2: not UTF-8"):
        adding.read_records("story", f"{ONE}\n".encode() + b"\xff\xfe{}")


def test_a_document_becomes_one_record(processor: Processor) -> None:
    xml = "<order>\n  <n>ä</n>\n</order>"

    items = adding.one_document("story", xml.encode(), key=" A-1 ", name="xml")

    assert items == [{"key": "A-1", "payload": {"xml": xml}}]


@pytest.mark.parametrize(
    ("key", "name", "said"),
    [
        ("", "xml", "The key is empty."),
        ("A", " ", "Say under which name"),
        ("A\nB", "x", "control"),
    ],
)
def test_a_document_needs_a_key_and_a_name(key: str, name: str, said: str) -> None:
    with pytest.raises(NotAdded, match=said):
        adding.one_document("story", b"text", key=key, name=name)


def test_a_preview_says_what_the_act_will_say_and_stores_nothing(processor: Processor) -> None:
    adding.add(processor.pk, [json.loads(ONE)], act())
    items = adding.read_records("story", f"{ONE}\n{TWO}".encode())

    seen = adding.preview(processor, items)

    assert (seen.new, seen.known) == (1, 1)
    assert Record.objects.count() == 1
    assert "new 1, known 1" in adding.add(processor.pk, items, act("by hand"))
    assert Event.objects.filter(action="add").latest("id").reason == "new 1, known 1: by hand"


def test_a_key_with_another_payload_is_refused_and_nothing_is_stored(processor: Processor) -> None:
    adding.add(processor.pk, [json.loads(ONE)], act())
    items = [json.loads(TWO), {"key": "A-1", "payload": {"n": 99}}]

    for attempt in (lambda: adding.preview(processor, items),
                    lambda: adding.add(processor.pk, items, act())):  # fmt: skip
        with pytest.raises(NotAdded, match="'A-1' exists with another payload"):
            attempt()
    assert Record.objects.count() == 1


def test_a_table_takes_nothing(processor: Processor) -> None:
    Processor.objects.update(source_kind="table")

    with pytest.raises(Refused, match="takes its records from a table"):
        adding.add(processor.pk, [json.loads(ONE)], act())


@pytest.mark.django_db(transaction=True)
def test_what_was_added_is_taken_up_on_arrival() -> None:
    processor = define("echo", trigger={"kind": "arrival"})
    control.start(processor.pk, act())
    maintenance.tick()

    adding.add(processor.pk, [json.loads(ONE)], act())

    assert Run.objects.get().trigger == "arrival"


@pytest.mark.parametrize("text", ["[1, 2]", " [ ] ", '[{"a": [1]}, "x"]'])
def test_an_array_gives_its_values(text: str) -> None:
    assert list(JsonArray(text)) == json.loads(text)


def test_an_array_that_ends_too_early_is_refused() -> None:
    with pytest.raises(BadJson):
        list(JsonArray('[{"a": 1},'))
