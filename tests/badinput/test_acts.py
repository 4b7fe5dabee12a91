"""B19, B21, B90 to B95: acts that come at the wrong time, from a forged form, or too often."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from processors import control, explain
from processors.acts import by_user
from processors.clock import database_now
from processors.definitions import digest
from processors.models import Event, Processor, Record, Run
from processors.protocol import cycles
from tests.factories import make_claimed, make_processor, make_record, make_run, make_user
from tests.management.conftest import Call, call

pytestmark = pytest.mark.django_db

__all__ = ["call"]
LIST = reverse("admin:processors_processor_changelist")

# State of the record, act → what is offered instead.
WRONG_ACTS = [
    ("done", "retry", "To have it handled anew, reprocess it."),
    ("skipped", "discard", "To have it handled anew, reprocess it."),
    ("claimed", "retry", "Wait for its outcome"),
    ("claimed", "discard", "stop its processor by force"),
    ("claimed", "settle", "only a parked record can be marked as done"),
    ("ready", "retry", "It waits already, and is handled by itself."),
    ("dead", "settle", "Retry or discard it."),
    ("dead", "reprocess", "Retry or discard it."),
    ("parked", "reprocess", "Retry it, discard it, or mark it as done."),
    ("claimed", "reprocess", "only a finished record can be reprocessed"),
]


def a_record(state: str) -> Record:
    if state != "claimed":
        return make_record(state=state)
    batch = make_claimed(make_run(make_processor(state="started")))
    return Record.objects.get(batch=batch)


@pytest.mark.parametrize(("state", "act", "sentence"), WRONG_ACTS)
def test_b95_a_wrong_act_on_a_record_is_refused_by_name_with_the_right_one(
    admin: Client, state: str, act: str, sentence: str
) -> None:
    record = a_record(state)

    answer = admin.post(reverse(f"admin:processors_record_{act}", args=[record.pk]))

    [said] = [str(message) for message in get_messages(answer.wsgi_request)]
    assert said.startswith(f"Record {record.key} is ")
    assert sentence in said
    record.refresh_from_db()
    assert record.state == state
    assert not Event.objects.filter(record=record).exists()


def test_b95_a_command_moves_only_what_failed(call: Call) -> None:
    processor = make_processor("orders")
    for state in ("done", "skipped", "ready"):
        make_record(processor, state=state)

    assert call("processor", "retry", "orders") == "0 failed records were retried."
    assert call("processor", "discard", "orders") == "0 failed records were discarded."
    assert set(Record.objects.values_list("state", flat=True)) == {"done", "skipped", "ready"}


FORGED = {
    "form-TOTAL_FORMS": "2", "form-INITIAL_FORMS": "1", "form-MIN_NUM_FORMS": "0",
    "form-MAX_NUM_FORMS": "1000", "form-0-id": "1", "form-0-state": "started",
    "form-0-name": "Mine", "form-1-id": "", "form-1-name": "Made", "form-1-slug": "made",
    "form-1-handler": "demo.price_order", "_save": "Save",
}  # fmt: skip


@pytest.mark.parametrize("model", ["processor", "run", "record", "event", "attempt"])
def test_b21_a_forged_form_of_a_list_neither_adds_nor_changes_a_row(
    admin: Client, model: str
) -> None:
    make_run(make_processor("orders"), state="finished")
    before = list(Processor.objects.values()), list(Run.objects.values())

    answer = admin.post(reverse(f"admin:processors_{model}_changelist"), FORGED)

    assert answer.status_code in (200, 302, 403)
    assert (list(Processor.objects.values()), list(Run.objects.values())) == before


def test_b20_fields_that_no_form_has_change_nothing(admin: Client) -> None:
    processor = make_processor("orders")
    user = make_user("anna")
    page = reverse("admin:processors_processor_limits", args=[processor.pk])

    admin.post(page, {"is_superuser": "1", "state": "started", "version": "99", "slug": "other"})

    processor.refresh_from_db()
    user.refresh_from_db()
    assert (processor.slug, processor.state, user.is_superuser) == ("orders", "stopped", False)


def test_b20_a_limit_that_is_sent_twice_is_refused(admin: Client) -> None:
    processor = make_processor("orders", batch_size=7)
    page = reverse("admin:processors_processor_limits", args=[processor.pk])

    answer = admin.post(page, {"batch_size": ["5", "500"]})

    assert answer.status_code == 400
    assert "was sent 2 times" in answer.content.decode()
    assert Processor.objects.get().batch_size == 7


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (field, value)
        for field in ("parallelism", "concurrency", "batch_size", "rate_limits")
        for value in ("9" * 20, "9" * 5_000, "0", "-1", "1.5", "1e3", "NaN", "\uff11", "5\x00")
    ],
)
def test_b6_a_limit_that_is_no_small_whole_number_is_refused_while_it_runs(
    admin: Client, field: str, value: str
) -> None:
    processor = make_processor("orders")
    page = reverse("admin:processors_processor_limits", args=[processor.pk])
    seen = digest(processor)

    usual = {"parallelism": "1", "concurrency": "1", "batch_size": "1", "rate_limits": ""}
    typed = f"{value}/s" if field == "rate_limits" else value

    answer = admin.post(page, {**usual, field: typed})

    assert answer.status_code == 200
    assert field in answer.context["limits"].errors
    assert digest(Processor.objects.get()) == seen


# Sign-in


def test_b19_what_was_typed_before_the_session_ended_is_shown_with_the_way_to_sign_in() -> None:
    stranger = Client()

    answer = stranger.post(
        reverse("admin:processors_processor_add"),
        {
            "name": "Night <b>orders</b>",
            "cron": "0 6 * * *",
            "seen": "3:x",
            "password": "hush-hush",
        },
    )

    page = answer.content.decode()
    assert answer.status_code == 403
    assert "You were signed out, and nothing was saved." in page
    assert "Night &lt;b&gt;orders&lt;/b&gt;" in page
    assert "0 6 * * *" in page
    assert "hush-hush" not in page
    assert f'href="/admin/login/?next={reverse("admin:processors_processor_add")}"' in page
    assert not Processor.objects.exists()


def test_b19_a_click_of_a_session_that_ended_leads_to_the_sign_in_page() -> None:
    processor = make_processor("orders")

    answer = Client().post(
        reverse("admin:processors_processor_start", args=[processor.pk]), {"seen": "3:x"}
    )

    assert answer.status_code == 302
    assert "/admin/login/" in answer["Location"]
    assert Processor.objects.get().state == "stopped"


def test_b19_a_form_without_its_token_is_refused_with_what_to_do() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("root", is_superuser=True))

    answer = client.post(reverse("admin:processors_processor_add"), {"name": "Orders"})

    assert answer.status_code == 403
    assert "load that page again" in answer.content.decode()
    assert not Processor.objects.exists()


# Schedules


def a_nightly(slug: str, **columns: Any) -> Processor:
    return make_processor(slug, trigger_kind="cron", cron="0 6 * * *", time_zone="UTC", **columns)


def test_b90_a_slot_that_comes_due_twice_makes_one_run() -> None:
    due = database_now() - timedelta(seconds=1)
    processor = a_nightly("orders", state="started", next_due_at=due, next_slot_at=due)
    make_record(processor)

    for _ in range(3):
        cycles.begin_due(processor.pk)

    assert Run.objects.count() == 1
    assert not Processor.objects.due(database_now()).exists()


@pytest.mark.slow
def test_b91_ten_thousand_schedules_cost_a_tick_and_a_page_no_more_than_ten(
    admin: Client, django_assert_max_num_queries: Any
) -> None:
    later = database_now() + timedelta(hours=5)
    Processor.objects.bulk_create(
        Processor(
            slug=f"p-{n}", name=f"P {n}", handler="sample.send", source={"kind": "inbox"},
            source_kind="inbox", trigger_kind="cron", cron="0 6 * * *", time_zone="UTC",
            state="started", next_due_at=later,
        )
        for n in range(10_000)
    )  # fmt: skip

    with django_assert_max_num_queries(40):
        assert admin.get(reverse("admin:schedule")).status_code == 200
    with django_assert_max_num_queries(40):
        assert admin.get(LIST).status_code == 200
    assert list(Processor.objects.due(database_now())) == []


def test_b92_a_schedule_of_a_stopped_processor_is_kept_and_told_not_to_run() -> None:
    anna = make_user("anna", is_superuser=True)
    processor = a_nightly("orders", state="started", next_due_at=database_now())
    control.stop(processor.pk, by_user(anna, "stocktaking"))
    processor.refresh_from_db()

    assert processor.cron == "0 6 * * *"
    assert "Stopped by anna" in explain.why(processor, database_now())
    assert "stocktaking" in explain.why(processor, database_now())
    cycles.begin_due(processor.pk)
    assert not Run.objects.exists()


# Payloads typed into the page of a failed record


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"n": 1, "n": 2}', "given twice in one object"),
        ('{"n": NaN}', "NaN is not JSON"),
        ('{"n": "\\ud800"}', "half a character"),
        ('{"n": "\\u0000"}', "U+0000"),
        ('{"n": ' + "9" * 5_000 + "}", "number is too long"),
        ("[" * 20_000, "ested"),
        (json.dumps({"n": "x" * 1_500_000}), "the limit is 1 MB"),
        ("\ufeff", "ine 1"),
    ],
    ids=lambda value: value[:12],
)
def test_b43_to_b49_a_payload_that_cannot_be_stored_is_refused_where_it_is_edited(
    admin: Client, text: str, sentence: str
) -> None:
    record = make_record(state="dead", payload={"n": 0})
    page = reverse("admin:processors_record_edit", args=[record.pk])

    sent = {"payload": text, "visit": str(record.visit), "reason": "The customer wrote"}
    answer = admin.post(page, sent)

    assert answer.status_code == 200
    assert 'value="The customer wrote"' in answer.content.decode()
    assert sentence.lower() in answer.context["error"].lower()
    record.refresh_from_db()
    assert (record.state, record.payload) == ("dead", {"n": 0})
