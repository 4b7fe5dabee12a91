"""The registration page: what a visitor sends, and what he sees of it."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from django.utils import timezone

from demo.management.commands.seed_demo import DEFINITIONS
from demo.progress import PATIENCE, describe
from processors import RecordView, find_record
from processors.definitions import clean
from processors.models import Processor, Record

pytestmark = pytest.mark.django_db
PERSON = {"name": "Zoë <b>", "email": "zoe@example.org", "message": ""}
NOW = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)


@pytest.fixture
def processor() -> Processor:
    definition = json.loads((DEFINITIONS / "registrations.json").read_text())
    return Processor.objects.create(**clean(definition))


def send(client: Client, **changes: str) -> Any:
    return client.post("/demo/register/", PERSON | changes)


def key_of(response: Any) -> str:
    """The key in the address that a sender is sent to."""
    found = re.fullmatch(r"/demo/register/([0-9a-f-]{36})/", response["Location"])
    assert found is not None
    return found[1]


def view(state: str, *, attempts: int = 0, age: timedelta = timedelta()) -> RecordView:
    return RecordView(
        key="k",
        state=state,
        attempts=attempts,
        result=None,
        error="",
        updated_at=NOW - age,
        history=[],
    )


def test_the_form_has_a_label_for_every_field_and_a_fresh_key(client: Client) -> None:
    pages = [client.get("/demo/register/").content.decode() for _ in range(2)]

    for field in ("name", "email", "message"):
        assert f'<label for="id_{field}">' in pages[0]
    keys = [re.findall(r'name="key" value="([^"]+)"', page)[0] for page in pages]
    assert UUID(keys[0]) != UUID(keys[1])


def test_pages_hold_no_inline_script_or_style(client: Client, processor: Processor) -> None:
    key = key_of(send(client))

    for address in ("/demo/register/", f"/demo/register/{key}/"):
        response = client.get(address)
        page = response.content.decode()
        assert "default-src 'self'" in response["Content-Security-Policy"]
        assert not re.search(r"<style|style=|<script(?![^>]* src=)|\son\w+=", page)


def test_a_registration_is_published_and_answered_with_its_own_page(
    client: Client, processor: Processor
) -> None:
    response = send(client)

    assert response.status_code == 302
    record = Record.objects.get(processor=processor)
    assert record.key == key_of(response)
    assert record.payload == PERSON


@pytest.mark.parametrize(
    "changes", [{"name": ""}, {"email": "zoe"}, {"message": "x" * 2001}, {"name": "\x00"}]
)
def test_a_form_that_is_not_filled_in_right_is_shown_again(
    client: Client, processor: Processor, changes: dict[str, str]
) -> None:
    response = send(client, **changes)

    assert response.status_code == 200
    assert b'aria-invalid="true"' in response.content
    assert not Record.objects.exists()


def test_a_form_that_is_sent_twice_registers_once(client: Client, processor: Processor) -> None:
    key = str(uuid4())

    first, second = send(client, key=key), send(client, key=key)

    assert key_of(first) == key_of(second) == key
    assert Record.objects.count() == 1


def test_a_form_that_is_changed_and_sent_again_is_another_registration(
    client: Client, processor: Processor
) -> None:
    key = str(uuid4())

    send(client, key=key)
    second = send(client, key=key, name="Somebody else")

    assert key_of(second) != key
    assert Record.objects.count() == 2


def test_a_key_that_is_none_is_replaced(client: Client, processor: Processor) -> None:
    key = key_of(send(client, key="../admin"))

    assert UUID(key).version == 4


def test_a_form_from_another_site_is_refused(processor: Processor) -> None:
    response = send(Client(enforce_csrf_checks=True))

    assert response.status_code == 403
    assert not Record.objects.exists()


def test_without_its_processor_the_pages_say_so_kindly(client: Client) -> None:
    for response in (send(client), client.get(f"/demo/register/{uuid4()}/")):
        assert response.status_code == 503
        assert "no processor “registrations”" in response.content.decode()


def test_an_unknown_registration_is_not_found(client: Client, processor: Processor) -> None:
    assert client.get(f"/demo/register/{uuid4()}/").status_code == 404


def test_a_waiting_registration_refreshes_itself(client: Client, processor: Processor) -> None:
    response = client.get(f"/demo/register/{key_of(send(client))}/")

    page = response.content.decode()
    assert ">Waiting</span>" in page
    assert "demo/refresh.js" in page
    assert "no-store" in response["Cache-Control"]


def test_a_registration_that_is_done_shows_its_number_and_rests(
    client: Client, processor: Processor
) -> None:
    key = key_of(send(client))
    Record.objects.filter(key=key).update(
        state="done", result={"registered": True, "number": 1234}, settled_at=timezone.now()
    )

    page = client.get(f"/demo/register/{key}/").content.decode()

    assert ">Done</span>" in page
    assert "<dd>1234</dd>" in page
    assert "data-final" in page
    assert "refresh" not in page


def test_a_refused_registration_shows_why_as_text(client: Client, processor: Processor) -> None:
    key = key_of(send(client))
    Record.objects.filter(key=key).update(
        state="dead", last_error="<b>No.</b>", settled_at=timezone.now()
    )

    page = client.get(f"/demo/register/{key}/").content.decode()

    assert ">Not accepted</span>" in page
    assert "&lt;b&gt;No.&lt;/b&gt;" in page


@pytest.mark.parametrize(
    ("record", "title", "is_final"),
    [
        (view("ready"), "Waiting", False),
        (view("ready", attempts=1), "Waiting for another try", False),
        (view("claimed"), "Being handled", False),
        (view("done"), "Done", True),
        (view("skipped"), "Closed", True),
        (view("dead"), "Not accepted", True),
        (view("parked"), "Being looked at", True),
    ],
)
def test_every_state_has_its_words(record: RecordView, title: str, is_final: bool) -> None:
    progress = describe(record, NOW)

    assert (progress.title, progress.is_final) == (title, is_final)


def test_a_registration_that_nobody_takes_says_what_may_be_wrong() -> None:
    forgotten = view("ready", age=PATIENCE + timedelta(seconds=1))

    assert "may be stopped" in describe(forgotten, NOW).detail


def test_what_find_record_tells_fits_the_page(client: Client, processor: Processor) -> None:
    record = find_record("registrations", key_of(send(client)))

    assert record is not None
    assert describe(record, timezone.now()).title == "Waiting"
