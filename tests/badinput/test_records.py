"""B41 to B62: bad records are refused alike by `publish` and by the function of that name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from processors import publish
from processors.models import Record
from processors.screening import PublishingError
from tests.badinput.conftest import is_for_people
from tests.factories import make_processor

pytestmark = pytest.mark.django_db


@pytest.fixture
def send(tmp_path: Path) -> Callable[[bytes], str]:
    """A line through `manage.py publish`, between two good ones; what it was refused with."""

    def run(line: bytes) -> str:
        file = tmp_path / "records.jsonl"
        good = b'{"key": "good-%d", "payload": {}}\n'
        file.write_bytes(good % 1 + line + b"\n" + good % 2)
        said = ""
        try:
            call_command("publish", "orders", str(file))
        except CommandError as error:
            said = str(error)
        assert is_for_people(said), said
        assert Record.objects.count() == (0 if said else 3)
        return said

    return run


def of(payload: str, key: str = '"x"', more: str = "") -> bytes:
    return f'{{"key": {key}, "payload": {payload}{more}}}'.encode("utf-8", "surrogatepass")


EXPECTED = "Expected an object with 'key' and 'payload'."
LINES: dict[str, tuple[bytes, str]] = {
    "B41 null": (b"null", EXPECTED),
    "B41 list": (b"[]", EXPECTED),
    "B41 text": (b'"x"', EXPECTED),
    "B41 number": (b"42", EXPECTED),
    "B42 broken": (b'{"key": "x", "payload": {}', "column 27"),
    "B42 trailing comma": (b'{"key": "x", "payload": {},}', "column 28"),
    "B42 single quotes": (b"{'key': 'x'}", "column 2"),
    "B42 not UTF-8": (b'{"key": "\xe9", "payload": {}}', "not UTF-8 (byte 0xE9 at 10)."),
    "B43 NaN": (of('{"price": NaN}'), "NaN is not JSON."),
    "B43 Infinity": (of('{"price": -Infinity}'), "-Infinity is not JSON."),
    "B43 overflow": (of('{"price": 1e400}'), "Infinity is not JSON (at payload.price)."),
    "B44": (of('{"note": "a\\u0000"}'), "The character U+0000 can't be stored (payload.note)."),
    "B44 name": (of('{"a\\u0000": 1}'), "U+0000 can't be stored (a name in payload)."),
    "B44 half": (of('{"note": "\\ud800"}'), "half a character"),
    "B44 half in a list": (of('{"n": ["\\udfff"]}'), "half a character"),
    "B46": (of("[" * 20_000 + "]" * 20_000), "ested"),
    "B46 51": (of('{"a":' * 51 + "1" + "}" * 51), "nested deeper than 50 levels."),
    "B47": (of('{"n": ' + "9" * 5_000 + "}"), "a number is too long."),
    "B47 1001": (of('{"n": ' + "9" * 1_001 + "}"), "Number too long (payload.n)."),
    "B49": (of('{"a": "' + "x" * 1_500_000 + '"}'), "The payload is 1.5 MB, the limit is 1 MB."),
    "B50 key": (of("{}", key="17"), "The key must be a text, not int."),
    "B51 empty": (of("{}", key='""'), "The key is empty."),
    "B51 long": (of("{}", key='"' + "k" * 10_000 + '"'), "The key has 10000 characters"),
    "B51 newline": (of("{}", key='"a\\nb"'), "control character"),
    "B51 half": (of("{}", key='"\\ud800"'), "half"),
    "B59 naive": (of("{}", more=', "available_at": "2026-11-25T10:00:00"'), "give a time zone"),
    "B59 far": (of("{}", more=', "available_at": "9999-01-01T00:00:00Z"'), "a year ahead"),
    "B59 no day": (of("{}", more=', "available_at": "2026-02-30"'), "is not a time such as"),
    "B59 words": (of("{}", more=', "expires_at": "tomorrow"'), "is not a time such as"),
    "priority": (of("{}", more=', "priority": 10'), "The priority must be a whole number"),
    "unknown": (of("{}", more=', "prioriti": 1'), "prioriti"),
    "twice": (b'{"key": "x", "key": "y", "payload": {}}', "'key' is given twice in one object."),
}  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_a_bad_line_is_refused_with_its_number_and_nothing_is_stored(
    send: Callable[[bytes], str], line: str
) -> None:
    make_processor("orders")
    content, sentence = LINES[line]

    said = send(content)

    assert said.startswith("Line 2: ")
    assert sentence in said
    assert said.endswith("Nothing was stored.")


DEEP: Any = 1
for _ in range(20_000):
    DEEP = [DEEP]
VALUES: dict[str, Any] = {
    "NaN": float("nan"), "Infinity": float("inf"), "NUL": "a\x00b", "half": "\ud800", "deep": DEEP,
    "long": 10**4_000, "a set": {1}, "bytes": b"x",
}  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_a_value_that_cannot_be_stored_is_refused_from_python_too(value: str) -> None:
    make_processor("orders")

    with pytest.raises(PublishingError) as caught:
        publish("orders", [{"key": "x", "payload": {"v": VALUES[value]}}])

    assert is_for_people(str(caught.value))
    assert not Record.objects.exists()


ODD = [
    "a/b",
    "a b",
    "\U0001f600",
    "..",
    "../../etc/passwd",
    "A",
    "a",
    "%s",
    "{{ 7*7 }}",
    "<script>",
]


def test_b51_b60_b62_odd_keys_and_names_are_plain_data(send: Callable[[bytes], str]) -> None:
    make_processor("orders")
    payload = {"__proto__": {}, "constructor": 1, "$where": "1", "py/object": "os", "</script>": 1}

    publish("orders", [{"key": key, "payload": payload} for key in ODD])

    assert set(Record.objects.values_list("key", flat=True)) == set(ODD)
    assert all(record.payload == payload for record in Record.objects.all())


def test_b52_b53_the_same_key_again(send: Callable[[bytes], str]) -> None:
    make_processor("orders")
    publish("orders", [{"key": "x", "payload": {"n": 1}}])

    again = publish("orders", [{"key": "x", "payload": {"n": 1}}])
    with pytest.raises(PublishingError, match="exists with another payload"):
        publish("orders", [{"key": "x", "payload": {"n": 2}}])

    assert (again.new, again.known) == (0, 1)
    assert json.loads(json.dumps(Record.objects.get().payload)) == {"n": 1}
