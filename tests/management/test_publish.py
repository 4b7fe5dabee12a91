"""`manage.py publish`: JSON Lines into an inbox."""

import json
from pathlib import Path

import pytest

from processors.models import Record
from tests.conftest import Manage
from tests.factories import make_processor, make_table_source
from tests.management.conftest import Call, CallJson, Refuse

pytestmark = pytest.mark.django_db


def lines(directory: Path, content: str | bytes) -> str:
    file = directory / "records.jsonl"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(file)


def good(count: int, first: int = 1) -> str:
    records = ({"key": f"A-{n}", "payload": {"n": n}} for n in range(first, first + count))
    return "".join(json.dumps(record) + "\n" for record in records)


def test_new_and_known_records_are_counted(call: Call, tmp_path: Path) -> None:
    make_processor("orders")

    assert call("publish", "orders", lines(tmp_path, good(10))) == "new 10, known 0"
    assert call("publish", "orders", lines(tmp_path, good(12))) == "new 2, known 10"


def test_a_topic_reaches_every_listener(call_json: CallJson, tmp_path: Path) -> None:
    for slug in ("a", "b"):
        make_processor(slug, source={"kind": "inbox", "topic": "orders.new"})

    assert call_json("publish", "orders.new", lines(tmp_path, good(2))) == {"new": 4, "known": 0}


def test_a_byte_order_mark_and_empty_lines_are_passed_over(call: Call, tmp_path: Path) -> None:
    make_processor("orders")
    content = b"\xef\xbb\xbf" + good(1).encode() + b"\n  \n" + good(1, first=2).encode()

    assert call("publish", "orders", lines(tmp_path, content)) == "new 2, known 0"


BAD = {
    "{": "Line 3: this is no whole object. Write each record on one line.",
    "{'key': 'x'}": "Line 3: column 2:",
    '{"key": "x", "payload": {"n": NaN}}': "Line 3: NaN is not JSON.",
    '{"key": "x", "key": "y", "payload": {}}': "Line 3: 'key' is given twice in one object.",
    '{"key": "x"}': "Line 3: Expected an object with 'key' and 'payload'.",
    "[1, 2]": "Line 3: Expected an object with 'key' and 'payload'.",
    '{"key": "", "payload": {}}': "Line 3: The key is empty.",
    '{"key": "x", "payload": {"n": ' + "9" * 5_000 + "}}": "Line 3: a number is too long.",
    '{"key": "x", "payload": ' + "[" * 20_000 + "]" * 20_000 + "}": "Line 3: ",
    '{"key": "x", "payload": {"a": "\\u0000"}}': "Line 3: The character U+0000",
    '{"key": "x", "payload": {}, "available_at": "tomorrow"}': "Line 3: available_at: ",
}


@pytest.mark.parametrize("line", BAD, ids=lambda line: line[:40])
def test_a_bad_line_is_named_and_nothing_is_stored(
    refuse: Refuse, tmp_path: Path, line: str
) -> None:
    make_processor("orders")
    content = good(1) + "\n" + line + "\n" + good(1, first=2)

    said = refuse("publish", "orders", lines(tmp_path, content))

    assert said.startswith(BAD[line])
    assert not Record.objects.exists()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_another_encoding_is_refused(refuse: Refuse, tmp_path: Path, encoding: str) -> None:
    make_processor("orders")
    content = '{"key": "é", "payload": {}}'.encode(encoding)

    assert "Send UTF-8." in refuse("publish", "orders", lines(tmp_path, content))


def test_a_line_without_end_is_not_read_into_memory(refuse: Refuse, tmp_path: Path) -> None:
    make_processor("orders")

    said = refuse("publish", "orders", lines(tmp_path, b"x" * 7_000_000))

    assert said.startswith("Line 1: longer than")


def test_a_key_with_another_payload_is_named(refuse: Refuse, call: Call, tmp_path: Path) -> None:
    make_processor("orders")
    call("publish", "orders", lines(tmp_path, good(1)))

    said = refuse("publish", "orders", lines(tmp_path, '{"key": "A-1", "payload": {"n": 9}}'))

    assert "'A-1' exists with another payload" in said


def test_an_unknown_target_names_the_one_that_was_meant(refuse: Refuse, tmp_path: Path) -> None:
    make_processor("orders")

    said = refuse("publish", "order", lines(tmp_path, good(1)))

    assert said == "No inbox has the slug or topic 'order'. Did you mean 'orders'?"


def test_a_table_has_no_inbox(refuse: Refuse, tmp_path: Path) -> None:
    make_processor("rows", source=make_table_source())

    assert "has no inbox" in refuse("publish", "rows", lines(tmp_path, good(1)))


def test_a_missing_file_is_named(refuse: Refuse) -> None:
    make_processor("orders")

    assert refuse("publish", "orders", "no.jsonl").startswith("Can't read no.jsonl")


def test_records_come_from_standard_input_as_well(manage: Manage) -> None:
    make_processor("orders")

    ended = manage("publish", "orders", stdin=good(3))

    assert (ended.returncode, ended.stdout) == (0, "new 3, known 0\n")
