"""Payloads are shown as a person reads them: documents in lines, JSON indented, secrets hidden."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from processors.admin.masking import MASK
from processors.admin.payloads import shown
from tests.admin.conftest import a_failed_record, a_processor, a_run

DOCUMENT = (
    '<?xml version="1.0"?><order no="7"><item>Pen &amp; ink</item><lines><l/></lines></order>'
)
LAID_OUT = """<?xml version="1.0"?>
<order no="7">
  <item>Pen &amp; ink</item>
  <lines>
    <l/>
  </lines>
</order>"""


def test_a_document_in_one_line_gets_a_line_for_each_tag() -> None:
    found = shown({"customer": "Ä", "xml": DOCUMENT})

    assert found.texts == [("xml", LAID_OUT)]
    assert found.rest == '{\n  "customer": "Ä"\n}'
    assert '"xml"' in found.whole


@pytest.mark.parametrize("text", ["<a><b>", "</a></b>", "a < b > c", "<>", "<a>x</b></c></d>", "<"])
def test_a_broken_document_loses_nothing(text: str) -> None:
    [(_name, laid_out)] = shown({"x": f"<{text}>"}).texts

    assert "".join(laid_out.split()) == "".join(f"<{text}>".split())


def test_lines_are_kept_wherever_the_text_is() -> None:
    found = shown({"order": {"notes": ["one\ntwo", "short"], "n": 1}})

    assert found.texts == [("order.notes.0", "one\ntwo")]
    assert '"short"' in found.rest
    assert "(shown by itself)" in found.rest


@pytest.mark.parametrize("value", [None, 5, "short", [], {}, {"a": [1, {"b": "c"}]}])
def test_what_holds_no_text_is_json_alone(value: Any) -> None:
    found = shown(value)

    assert (found.texts, found.rest) == ([], "")


def test_a_text_alone_and_a_secret_text() -> None:
    assert shown("one\ntwo").texts == [("", "one\ntwo")]
    assert shown("one\ntwo").rest == ""
    assert shown({"password": "one\ntwo"}).whole == f'{{\n  "password": "{MASK}"\n}}'


@pytest.mark.django_db
def test_the_page_of_a_record_shows_its_document_in_lines_and_escaped(admin: Client) -> None:
    payload = {"xml": DOCUMENT}
    record = a_failed_record(a_processor(), a_run(a_processor("b")), payload=payload)

    html = admin.get(reverse("admin:processors_record_change", args=[record.pk])).text

    assert "\n  &lt;lines&gt;\n    &lt;l/&gt;\n" in html
    assert "<lines>" not in html


@pytest.mark.django_db
def test_a_record_that_succeeded_after_a_retry_says_so(admin: Client) -> None:
    record = a_failed_record(
        a_processor(), a_run(a_processor("b")), state="done", attempts=0, last_error="",
        error_type=None, fingerprint=None,
    )  # fmt: skip

    html = admin.get(reverse("admin:processors_record_change", args=[record.pk])).text

    assert "It succeeded in the end, after 1 attempt that failed" in html
    assert "no traceback" not in html
    assert "Attempts since the last retry" not in html
