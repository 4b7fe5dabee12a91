"""The page of one record: where it failed, what it holds, its neighbours, and what can be done."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from processors import dead_letters
from processors.acts import Refused, by_command_line
from processors.admin.masking import MASK, masked, unmasked
from processors.admin.tried import frames_of
from processors.clock import database_now
from processors.models import Attempt, Event, Installation, Processor, Record
from tests.admin.conftest import VIEWS, SignIn, a_batch, a_failed_record, a_processor, a_run, said
from tests.factories import make_table_source

pytestmark = pytest.mark.django_db

TRACEBACK = """Traceback (most recent call last):
  File "/usr/lib/python3.11/threading.py", line 9, in run
    self.go()
  File "/srv/shop/handlers.py", line 41, in send_order
    address = clean(record.payload)
  File "/srv/shop/addresses.py", line 12, in clean
    return given["postal_code"]
           ~~~~~^^^^^^^^^^^^^^^
KeyError: 'postal_code'
"""


@pytest.fixture
def record() -> Record:
    processor = a_processor()
    found = a_failed_record(
        processor, a_run(processor), payload={"city": "Köln", "api_token": "s3cr3t-of-theirs"}
    )
    Attempt.objects.update(traceback=TRACEBACK, log=["connecting", "sent"])
    return found


def url_of(record: Record, name: str = "change") -> str:
    return reverse(f"admin:processors_record_{name}", args=[record.pk])


def html_of(client: Client, record: Record, **given: str) -> str:
    return client.get(url_of(record), given).content.decode()


def test_the_authors_own_frame_comes_first_then_who_called_it() -> None:
    library, caller, own = frames_of(TRACEBACK)

    assert (own.place, own.name) == ("/srv/shop/addresses.py:12", "clean")
    assert own.source == 'return given["postal_code"]'
    assert [library.is_theirs, caller.is_theirs, own.is_theirs] == [False, True, True]


@pytest.mark.parametrize("text", ["", "no traceback at all", '  File "x", line 1, in y'])
def test_whatever_stands_where_a_traceback_should_is_survived(text: str) -> None:
    assert len(frames_of(text)) <= 1


def test_the_page_shows_frame_payload_and_log_lines(admin: Client, record: Record) -> None:
    html = html_of(admin, record)

    assert html.index("/srv/shop/addresses.py:12") < html.index("/srv/shop/handlers.py:41")
    assert "Köln" in html
    assert "2 log lines" in html


def test_attempts_are_numbered_over_a_persons_retries(admin: Client, record: Record) -> None:
    other = a_run(record.processor, 2)
    a_failed_record(record.processor, other, "B-2")
    Attempt.objects.filter(run=other).update(record=record, number=1)
    Attempt.objects.filter(record=record).exclude(run=other).update(number=1)

    html = html_of(admin, record)

    assert "Attempt 2:" in html
    assert "Attempt 1:" in html


# Secrets


def test_secrets_are_hidden_by_name_at_any_depth(admin: Client, record: Record) -> None:
    value = {"user": "anna", "password": "x", "list": [{"apiKey": "y", "n": 1}], "token": None}

    assert masked(value) == {
        "user": "anna", "password": MASK, "list": [{"apiKey": MASK, "n": 1}], "token": None,
    }  # fmt: skip
    assert "s3cr3t-of-theirs" not in html_of(admin, record)


def test_a_mask_that_was_left_in_place_stays_the_secret(admin: Client, record: Record) -> None:
    edited = {"password": MASK, "list": [{"apiKey": MASK}, {"apiKey": MASK}], "new": MASK}
    stored = {"password": "x", "list": [{"apiKey": "y"}]}

    assert unmasked(edited, stored) == {
        "password": "x", "list": [{"apiKey": "y"}, {"apiKey": MASK}], "new": MASK,
    }  # fmt: skip


# Neighbours


def test_next_and_previous_stay_within_the_filter_also_after_a_retry(
    admin: Client, record: Record
) -> None:
    now, run = database_now(), record.history.get().run
    Record.objects.update(settled_at=now - timedelta(minutes=1))
    newer = a_failed_record(record.processor, run, "N", settled_at=now)
    older = a_failed_record(record.processor, run, "O", settled_at=now - timedelta(minutes=2))
    a_failed_record(record.processor, run, "X", fingerprint="0" * 32)
    listed = {"in": f"state=attention&error={'f' * 32}"}

    html = html_of(admin, record, **listed)
    assert f"{url_of(newer)}?in=" in html
    assert f"{url_of(older)}?in=" in html

    record.refresh_from_db()
    assert record.failed_at is not None
    at = record.failed_at.isoformat()
    admin.post(url_of(record, "retry"))
    after = html_of(admin, record, **listed, at=at)

    assert f"{url_of(older)}?in=" in after


def test_others_with_the_same_error_are_one_click_away(admin: Client, record: Record) -> None:
    a_failed_record(record.processor, record.history.get().run, "B-2")

    html = html_of(admin, record)

    assert "1 more with this error" in html


# Edit and retry


def edit(client: Client, record: Record, payload: Any, **more: str) -> Any:
    text = payload if isinstance(payload, str) else json.dumps(payload)
    data = {"payload": text, "visit": str(record.visit), "reason": "typo", **more}
    return client.post(url_of(record, "edit"), data)


def test_a_mended_payload_is_a_new_request_with_both_payloads_kept(
    admin: Client, record: Record
) -> None:
    assert MASK in admin.get(url_of(record, "edit")).content.decode()

    edit(admin, record, {"city": "Bonn", "api_token": MASK})

    record.refresh_from_db()
    assert (record.state, record.visit, record.attempts) == ("ready", 2, 0)
    assert record.payload == {"city": "Bonn", "api_token": "s3cr3t-of-theirs"}
    event = Event.objects.get(action="edit-payload")
    assert event.details is not None
    assert event.details["payload"]["before"]["city"] == "Köln"
    html = html_of(admin, record)
    assert "Before and after" in html
    assert "s3cr3t-of-theirs" not in html


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ('{"a": }', "Line 1, column 7"), ("[1]", "must be an object"), ('{"a": NaN}', "NaN"),
        ('{"a": "\\u0000"}', "U+0000"), ("[" * 5000, "Line"), ("", "Line 1"),
    ],
)  # fmt: skip
def test_a_payload_that_publishing_would_refuse_is_refused_with_what_was_typed(
    admin: Client, record: Record, payload: str, words: str
) -> None:
    html = edit(admin, record, payload).content.decode()

    assert words in html or "ested too deeply" in html
    record.refresh_from_db()
    assert record.state == "dead"


def test_an_edit_of_an_older_request_is_refused(admin: Client, record: Record) -> None:
    assert "changed meanwhile" in edit(admin, record, {}, visit="7").content.decode()


@pytest.mark.parametrize("lacking", ["view_payload", "edit_payload", "manage_dead_records"])
def test_editing_needs_all_of_its_rights(sign_in: SignIn, record: Record, lacking: str) -> None:
    rights = {*VIEWS, "view_payload", "edit_payload", "manage_dead_records"} - {lacking}
    client = sign_in(*rights)

    assert edit(client, record, {}).status_code == 403
    assert url_of(record, "edit") not in html_of(client, record)


def test_a_record_that_waits_for_nobody_is_not_edited(admin: Client, record: Record) -> None:
    Record.objects.update(state="done")

    assert "Only a failed record" in said(admin.get(url_of(record, "edit")))


# Settle and reprocess


def test_a_parked_record_is_settled_when_a_person_found_out(admin: Client, record: Record) -> None:
    refused = admin.post(url_of(record, "settle"))
    assert "only a parked record" in said(refused)
    Record.objects.update(state="parked")
    assert "It was done" in html_of(admin, record)

    admin.post(url_of(record, "settle"), {"reason": "Seen on the other side"})

    record.refresh_from_db()
    assert record.state == "done"
    assert Event.objects.get(action="settle").reason == "Seen on the other side"


def test_a_finished_record_is_reprocessed_as_a_new_request(admin: Client, record: Record) -> None:
    assert "only a finished record" in said(admin.post(url_of(record, "reprocess")))
    Record.objects.update(state="done", result={"n": 1})
    assert "Reprocess as new" in html_of(admin, record)

    admin.post(url_of(record, "reprocess"))

    record.refresh_from_db()
    assert (record.state, record.visit, record.result) == ("ready", 2, None)
    assert Event.objects.get(action="reprocess").to_state == "ready"


def test_reprocessing_needs_its_own_right(sign_in: SignIn, record: Record) -> None:
    Record.objects.update(state="done")
    client = sign_in(*VIEWS, "manage_dead_records")

    assert client.post(url_of(record, "reprocess")).status_code == 403
    assert "Reprocess" not in html_of(client, record)


# What became of it


def test_an_edited_record_is_not_said_to_fail(admin: Client, record: Record) -> None:
    Attempt.objects.update(error_type="Reject", traceback="")
    Record.objects.update(error_type="Reject")
    assert "The handler said so itself" in html_of(admin, record)

    edit(admin, record, {"city": "Bonn"})

    html = html_of(admin, record)
    assert "The handler said so itself" not in html
    assert 'class="callout calm"><p><strong>Reject' not in html


def test_a_quiet_success_tells_when_and_in_which_run_it_was(admin: Client, record: Record) -> None:
    again = a_run(record.processor, 7)
    batch = a_batch(again, owner="host:7:quiet", state="closed", closed_at=database_now())
    Record.objects.update(state="done", batch=batch, error_type="Reject", last_error="wrong")

    html = html_of(admin, record)

    assert "<strong>Reject" not in html
    assert "host:7:quiet" in html
    assert html.count(f'href="{again.get_absolute_url()}"') == 2
    assert "It succeeded in the end, after 1 attempt" in html


def test_a_success_that_an_attempt_tells_is_told_once(admin: Client, record: Record) -> None:
    tried = record.history.get()
    Attempt.objects.update(outcome="done", error_type="", message="", traceback="")
    Record.objects.update(state="done", batch=tried.batch)

    assert html_of(admin, record).count(f'href="{tried.run.get_absolute_url()}"') == 1


def test_the_page_shows_the_idempotency_key_that_the_handler_is_given(
    admin: Client, record: Record
) -> None:
    Record.objects.update(visit=3)

    identity = Installation.this().identity

    assert f">{identity}:{record.processor_id}:{record.key}:3<" in html_of(admin, record)


# Rows of a table


def drop_table() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS customer_order")


@pytest.fixture
def row(transactional_db: None) -> Iterator[Record]:
    """A failed record that stands for a row of the user's table."""
    source = make_table_source(3)
    processor = a_processor(source=source, source_kind="table", handler="sample.send")
    yield a_failed_record(processor, a_run(processor), "2", payload=None)
    drop_table()


def status_of(key: int) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT status FROM customer_order WHERE id = %s", [key])
        return str(cursor.fetchone()[0])


def set_status(key: int, status: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE customer_order SET status = %s, payload = 'From the table' WHERE id = %s",
            [status, key],
        )


def test_a_rows_payload_is_read_from_the_table_as_it_is_now(admin: Client, row: Record) -> None:
    set_status(2, "ERROR")

    html = html_of(admin, row)

    assert "From the table" in html
    assert "as it is now" in html
    assert url_of(row, "edit") not in html


def test_a_table_that_is_gone_is_said_so_on_the_page(admin: Client, row: Record) -> None:
    drop_table()

    assert "The table cannot be read now" in html_of(admin, row)


def test_settling_and_reprocessing_move_the_row_as_well(admin: Client, row: Record) -> None:
    set_status(2, "ERROR")
    Record.objects.update(state="parked")

    admin.post(url_of(row, "settle"))
    assert status_of(2) == "DONE"

    admin.post(url_of(row, "reprocess"))
    assert status_of(2) == "NEW"
    assert Event.objects.filter(action="reprocess").count() == 1

    again = admin.post(url_of(row, "reprocess"))
    assert "not finished any more" in said(again)


def test_what_cannot_be_written_to_the_table_is_not_done_at_all(row: Record) -> None:
    drop_table()
    act = by_command_line()

    with pytest.raises(Refused, match="cannot be written"):
        dead_letters.treat_record("retry", row, act)

    row.refresh_from_db()
    assert row.state == "dead"
    assert Processor.objects.exists()
