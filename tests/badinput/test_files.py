"""B41 to B44, B63 to B67, B100: whatever stands in a file, on standard input, behind an option."""

import gzip
import io
import json
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connections
from django.test import Client
from django.urls import reverse

from processors.models import Event, Processor, Record
from tests.badinput.conftest import is_for_people
from tests.badinput.test_commands import run_as_shell
from tests.factories import make_processor

pytestmark = pytest.mark.django_db(databases=["default", "shop"])

LINE = '{"key": "A-1", "payload": {"n": 1}}'
DEFINITION = json.dumps({"slug": "made", "handler": "sample.send", "source": {"kind": "inbox"}})

# What a file holds → what is said of it. Each is refused by `publish` and by `processor load`.
REFUSED: dict[str, bytes] = {
    "a picture": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)),
    "a packed file": gzip.compress(LINE.encode()),
    "a spreadsheet": b"PK\x03\x04\x14\x00\x06\x00" + bytes(64),
    "UTF-16": LINE.encode("utf-16"),
    "UTF-16 without a mark": LINE.encode("utf-16-le"),
    "Latin-1": '{"key": "é", "payload": {}}'.encode("latin-1"),
    "nulls": bytes(1000),
    "words": b"key,payload\nA-1,1\n",
    "markup": b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]><x>&a;</x>",
    "half a line": LINE[:-3].encode(),
    "a name twice": b'{"key": "A", "key": "B", "payload": {}}',
    "NaN": b'{"key": "A", "payload": {"n": NaN}}',
    "deep": b"[" * 20_000,
    "digits": b'{"key": "A", "payload": {"n": ' + b"9" * 5_000 + b"}}",
    "a list of lists": b"[[]]",
    "a number": b"42",
}


@pytest.fixture(autouse=True)
def _connections_stay_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command closes them at its end, and with them the transaction of a test."""
    monkeypatch.setattr(type(connections), "close_all", lambda *_: None)


Shell = Callable[..., tuple[int, str, str]]


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A command, with these bytes on standard input, or with none at all."""

    def run(*words: str, stdin: bytes | None = b"") -> tuple[int, str, str]:
        piped: Any = None if stdin is None else io.TextIOWrapper(io.BytesIO(stdin))
        monkeypatch.setattr(sys, "stdin", piped)
        return run_as_shell(capsys, *words)

    return run


def check_refused(ended: tuple[int, str, str], code: int = 1) -> str:
    """One clear line, nothing else, nothing stored; the line."""
    got, out, err = ended
    assert (got, out) == (code, ""), ended
    assert err.startswith("error: ")
    assert err.count("\n") == 1 or code == 1, err
    assert is_for_people(err.replace("FILE", "")), err
    assert not Record.objects.exists()
    assert not Event.objects.exists()
    return err


def refusal_of(shell: Shell, what: str, way: str, *command: str) -> str:
    """What a command says of this content, which comes from a file or on its standard input."""
    if way == "stdin":
        return check_refused(shell(*command, "-", stdin=REFUSED[what]))
    Path("FILE").write_bytes(REFUSED[what])
    return check_refused(shell(*command, "FILE"))


@pytest.mark.parametrize("way", ["file", "stdin"])
@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_json_lines_is_refused_and_nothing_is_stored(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, way: str
) -> None:
    monkeypatch.chdir(tmp_path)
    make_processor("orders")

    said = refusal_of(shell, what, way, "publish", "orders")

    assert "Line 1: " in said
    assert said.endswith("Nothing was stored.\n")


@pytest.mark.parametrize("way", ["file", "stdin"])
@pytest.mark.parametrize("what", REFUSED)
def test_what_is_no_definition_is_refused_and_nothing_is_loaded(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str, way: str
) -> None:
    monkeypatch.chdir(tmp_path)

    said = refusal_of(shell, what, way, "processor", "load")

    assert said.endswith("Nothing was loaded.\n")
    assert not Processor.objects.exists()


@pytest.mark.parametrize("page", ["add-records", "import"])
def test_what_is_uploaded_is_refused_as_the_commands_refuse_it(admin: Client, page: str) -> None:
    processor = make_processor("orders")
    args = [processor.pk] if page == "add-records" else []
    url = reverse(f"admin:processors_processor_{page}", args=args)

    for what, content in REFUSED.items():
        file = SimpleUploadedFile("../../etc/x\u202e.csv", content)
        seen = f"0:{uuid.uuid4()}"
        sent = {"what": "records", "seen": seen, "_store": "1", "_save": "1", "file": file}
        answer = admin.post(url, sent)

        assert answer.status_code == 200, what
        assert answer.context["problems"], what
        assert is_for_people(" ".join(map(str, answer.context["problems"]))), what
    assert not Record.objects.exists()
    assert Processor.objects.count() == 1


@pytest.mark.parametrize("command", [("publish", "orders"), ("processor", "load")], ids=" ".join)
def test_what_cannot_be_read_is_named(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    make_processor("orders")
    Path("FILE").mkdir()

    for name in ("FILE", "missing", "", "FILE/x", "x" * 5_000):
        said = check_refused(shell(*command, name))
        assert "Can't read" in said


@pytest.mark.parametrize("command", [("publish", "orders"), ("processor", "load")], ids=" ".join)
def test_a_standard_input_that_is_closed_is_named(shell: Shell, command: tuple[str, ...]) -> None:
    make_processor("orders")

    said = check_refused(shell(*command, "-", stdin=None))

    assert "Can't read standard input: it is closed." in said


def test_an_empty_file_stores_nothing_and_says_so(shell: Shell) -> None:
    make_processor("orders")

    for stdin in (b"", b"\n", b"\xef\xbb\xbf", b"\r\n\r\n"):
        assert shell("publish", "orders", stdin=stdin) == (0, "new 0, known 0\n", "")
    assert "Nothing was loaded" in check_refused(shell("processor", "load", "-"))


@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_marks_and_endings_of_other_systems_are_taken_and_a_repetition_is_safe(
    shell: Shell, mark: str, ending: str
) -> None:
    make_processor("orders")
    sent = f"{mark}{LINE}{ending}".encode()

    assert shell("publish", "orders", stdin=sent) == (0, "new 1, known 0\n", "")
    assert shell("publish", "orders", stdin=sent) == (0, "new 0, known 1\n", "")
    assert Record.objects.count() == 1


def test_a_definition_with_mark_and_endings_of_other_systems_is_taken(shell: Shell) -> None:
    code, _out, err = shell("processor", "load", "-", stdin=f"\ufeff{DEFINITION}\r\n".encode())

    assert (code, err) == (0, "")


LONG = "9" * 5_000
WRONG_VALUES = [
    ("processor", "retry", "orders", "--since", "9999999d"),
    ("processor", "retry", "orders", "--since", "0001-01-01T00:00:00+23:59"),
    ("processor", "retry", "orders", "--since", "9999-12-31T23:59:59-23:59"),
    ("processor", "retry", "orders", "--since", LONG),
    ("processor", "pause", "orders", "--until", "9999999d"),
    ("processor", "pause", "orders", "--until", "9999-12-31T23:59:59-23:59"),
    ("processor", "run", "orders", "--limit", LONG),
    ("processor", "run", "orders", "--limit", "9" * 20),
    ("processor", "run", "orders", "--wait", "--timeout", "1e999"),
    ("processor", "show", "orders", "--runs", LONG),
    ("prune", "--runs-days", LONG),
    ("tick", "--loop", "--seconds", "1e300"),
    ("tick", "--loop", "--seconds", LONG),
]


@pytest.mark.parametrize("line", WRONG_VALUES, ids=lambda line: " ".join(line)[:60])
def test_a_value_beyond_all_limits_is_wrong_usage(shell: Shell, line: tuple[str, ...]) -> None:
    make_processor("orders", state="started")

    said = check_refused(shell(*line), code=2)

    assert len(said) < 500


def test_a_reason_that_nobody_reads_is_refused(shell: Shell) -> None:
    make_processor("orders", state="started")

    said = check_refused(shell("processor", "stop", "orders", "--reason", "x" * 10_000))

    assert "A reason has at most 1000 characters (this has 10000). Nothing was done." in said
    assert Processor.objects.get().state == "started"
