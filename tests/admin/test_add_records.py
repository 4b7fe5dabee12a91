"""The page that fills an inbox."""

import uuid
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from processors import adding
from processors.models import Processor, Record
from tests.admin.conftest import SignIn, a_processor, said

pytestmark = pytest.mark.django_db

LINES = '{"key": "A-1", "payload": {"n": 1}}\n{"key": "A-2", "payload": {"n": "<b>"}}'


def url(processor: Processor) -> str:
    return reverse("admin:processors_processor_add-records", args=[processor.pk])


def store(client: Client, processor: Processor, **more: Any) -> Any:
    sent = {"what": "records", "seen": f"0:{uuid.uuid4()}", "_store": "1", **more}
    return client.post(url(processor), sent)


def test_it_is_shown_before_it_is_stored(admin: Client) -> None:
    processor = a_processor()

    page = admin.post(url(processor), {"what": "records", "text": LINES}).content.decode()

    assert "2 records:" in page
    assert "<strong>2 new</strong>, 0 known already." in page
    assert "&lt;b&gt;" in page
    assert not Record.objects.exists()


def test_it_is_stored_and_counted_as_publish_does(admin: Client) -> None:
    processor = a_processor()

    answer = store(admin, processor, text=LINES, reason="by hand")

    assert answer["Location"] == processor.get_absolute_url()
    assert "new 2, known 0" in said(answer)
    assert "Start or run Orders to go on." in said(answer)
    assert set(Record.objects.values_list("key", flat=True)) == {"A-1", "A-2"}


def test_a_doubled_click_stores_once(admin: Client) -> None:
    processor, seen = a_processor(), f"0:{uuid.uuid4()}"

    store(admin, processor, text=LINES, seen=seen)
    again = store(admin, processor, text=LINES, seen=seen)

    assert "this was done already" in said(again)


def test_a_file_is_taken_as_well_as_its_text(admin: Client) -> None:
    processor = a_processor()
    file = SimpleUploadedFile("today.jsonl", LINES.encode("utf-8-sig"))

    page = admin.post(url(processor), {"what": "records", "file": file}).content.decode()

    assert "2 records:" in page
    assert "&quot;A-1&quot;" in page, "the text is kept for the click on Store"


def test_a_document_becomes_one_record(admin: Client) -> None:
    processor = a_processor()

    store(admin, processor, what="document", text="<a>\n</a>", key="D-1", name="xml")

    payload = Record.objects.get().payload
    assert payload is not None
    assert payload["xml"].split() == ["<a>", "</a>"]


def test_bad_lines_are_named_and_what_was_typed_stays(admin: Client) -> None:
    processor = a_processor()

    page = store(admin, processor, text=f"{LINES}\nnonsense").content.decode()

    assert "Nothing was stored." in page
    assert "Line 3: " in page
    assert "nonsense" in page
    assert not Record.objects.exists()


@pytest.mark.parametrize("how", ["text", "file"])
def test_too_much_leads_to_the_command(
    admin: Client, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from processors.admin import add_records

    monkeypatch.setattr(add_records, "LARGEST_BYTES", 50)
    sent = LINES if how == "text" else SimpleUploadedFile("big.jsonl", LINES.encode())

    page = admin.post(url(a_processor()), {"what": "records", how: sent}).content.decode()

    assert "manage.py publish" in page
    assert not Record.objects.exists()


def test_more_than_the_server_reads_is_told_on_a_page_of_ours(admin: Client, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 100

    answer = admin.post(url(a_processor()), {"what": "records", "text": LINES * 10})

    assert answer.status_code == 413
    assert "too large for a page" in answer.content.decode()


def test_a_table_has_no_such_page(admin: Client) -> None:
    processor = a_processor(source_kind="table", source={"kind": "table", "table": "t"})

    assert admin.get(url(processor)).status_code == 404


def test_who_may_only_look_gets_no_button(sign_in: SignIn) -> None:
    processor = a_processor()
    page = processor.get_absolute_url()

    assert "Add records" not in sign_in("view_processor").get(page).content.decode()
    assert "Add records" in sign_in("view_processor", "add_record").get(page).content.decode()
    assert adding.ADD_RECORD == "processors.add_record"
