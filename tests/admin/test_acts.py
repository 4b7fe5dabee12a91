"""Each button acts by POST, once, for who may, and says what came of it."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from processors.models import Event, Processor, Record, Run
from tests.admin.conftest import (
    VIEWS,
    SignIn,
    a_failed_record,
    a_processor,
    a_run,
    an_active_run,
    click,
)

pytestmark = pytest.mark.django_db

VERBS = (
    "start",
    "stop",
    "pause",
    "resume",
    "run-once",
    "clear-fault",
    "clear-and-start",
    "force-stop",
)


def act_url(verb: str, pk: int) -> str:
    return reverse(f"admin:processors_processor_{verb}", args=[pk])


def said(answer: Any) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def state_of(processor: Processor) -> str:
    return str(Processor.objects.get(pk=processor.pk).state)


@pytest.mark.parametrize(
    ("verb", "before", "after"),
    [
        ("start", "stopped", "started"),
        ("stop", "started", "stopped"),
        ("pause", "started", "paused"),
        ("resume", "paused", "started"),
    ],
)
def test_each_verb_moves_the_processor_and_keeps_the_reason(
    admin: Client, verb: str, before: str, after: str
) -> None:
    processor = a_processor(state=before)

    answer = admin.post(act_url(verb, processor.pk), click(processor, reason="Monday"))

    assert answer.status_code == 302
    assert state_of(processor) == after
    assert Event.objects.get(processor=processor, action=verb).reason == "Monday"


def test_a_faulted_processor_says_why_and_offers_the_way_out(admin: Client) -> None:
    processor = a_processor(state="stopped", fault_reason="10 of the last 10 records failed.")
    run = a_run(processor, state="failed", fault_reason=processor.fault_reason)

    page = admin.get(processor.get_absolute_url()).content.decode()
    run_page = admin.get(run.get_absolute_url()).content.decode()
    answer = admin.post(act_url("clear-and-start", processor.pk), click(processor))
    processor.refresh_from_db()

    assert "10 of the last 10 records failed." in page
    assert "Clear fault and start" in page
    assert "10 of the last 10 records failed." in run_page
    assert "Its fault was cleared" in said(answer)
    assert (processor.state, processor.fault_reason) == ("started", "")
    assert processor.on_trial


def test_run_once_begins_a_run(admin: Client) -> None:
    processor = a_processor()

    answer = admin.post(act_url("run-once", processor.pk), click(processor))

    assert "Run 1 of Orders has begun." in said(answer)
    assert Run.objects.active().get().trigger == "manual"


def test_clear_fault_clears_it(admin: Client) -> None:
    processor = a_processor(fault_reason="The table is gone.")

    admin.post(act_url("clear-fault", processor.pk), click(processor))

    assert not Processor.objects.get(pk=processor.pk).is_faulted


@pytest.mark.parametrize("verb", VERBS)
def test_b93_a_get_of_an_act_does_nothing(admin: Client, verb: str) -> None:
    processor = a_processor()

    answer = admin.get(act_url(verb, processor.pk))

    assert answer.status_code == (200 if verb == "force-stop" else 405)
    assert not Event.objects.exists()


@pytest.mark.parametrize("verb", VERBS)
def test_who_may_only_look_is_refused(sign_in: SignIn, verb: str) -> None:
    processor = a_processor(state="started")

    answer = sign_in(*VIEWS).post(act_url(verb, processor.pk), click(processor))

    assert answer.status_code == 403
    assert state_of(processor) == "started"


def test_an_operator_may_not_force(sign_in: SignIn) -> None:
    processor = a_processor()
    client = sign_in(*VIEWS, "operate_processor")

    assert client.post(act_url("force-stop", processor.pk), click(processor)).status_code == 403
    assert client.post(act_url("start", processor.pk), click(processor)).status_code == 302


def test_buttons_are_offered_only_to_who_may_press_them(sign_in: SignIn) -> None:
    processor = a_processor()
    url = processor.get_absolute_url()

    for page in (url, reverse("admin:processors_processor_changelist"), reverse("admin:index")):
        assert act_url("start", processor.pk) not in sign_in(*VIEWS).get(page).content.decode()
        operator = sign_in(*VIEWS, "operate_processor")
        assert act_url("start", processor.pk) in operator.get(page).content.decode()


def test_stop_asks_for_the_reason_first(admin: Client) -> None:
    processor = a_processor(state="started")
    data = click(processor)
    del data["confirmed"]

    answer = admin.post(act_url("stop", processor.pk), data)

    assert answer.status_code == 200
    assert data["seen"] in answer.content.decode()
    assert state_of(processor) == "started"


def test_a_doubled_click_acts_once(admin: Client) -> None:
    processor = a_processor()
    data = click(processor)

    admin.post(act_url("start", processor.pk), data)
    again = admin.post(act_url("start", processor.pk), data)

    assert "this was done already" in said(again)
    assert Event.objects.filter(action="start").count() == 1


def test_b97_a_click_on_an_old_page_names_who_was_first(admin: Client) -> None:
    processor = a_processor()
    old = click(processor)
    admin.post(act_url("start", processor.pk), click(processor))

    answer = admin.post(act_url("stop", processor.pk), old)

    assert "was changed meanwhile by" in said(answer)
    assert state_of(processor) == "started"


@pytest.mark.parametrize("seen", ["", "x", "1", "1:x", ":"])
def test_a_click_without_its_numbers_does_nothing(admin: Client, seen: str) -> None:
    processor = a_processor()

    answer = admin.post(act_url("start", processor.pk), {"seen": seen})

    assert "this page is too old" in said(answer)
    assert state_of(processor) == "stopped"


def test_b97_force_stop_wants_the_name_typed(admin: Client) -> None:
    processor = a_processor()
    run = an_active_run(processor)

    wrong = admin.post(act_url("force-stop", processor.pk), click(processor, typed_name="order"))
    assert "type orders to confirm" in said(wrong)
    assert Run.objects.get(pk=run.pk).state == "running"

    admin.post(act_url("force-stop", processor.pk), click(processor, typed_name="orders"))
    assert Run.objects.get(pk=run.pk).state != "running"


def test_after_the_act_the_person_is_where_he_was(admin: Client) -> None:
    processor = a_processor()
    page = reverse("admin:processors_processor_changelist") + "?state=stopped"

    answer = admin.post(act_url("start", processor.pk), click(processor, next=page))
    away = admin.post(
        act_url("stop", processor.pk), click(processor, next="//evil.example/", reason="x")
    )

    assert answer["Location"] == page
    assert away["Location"] == processor.get_absolute_url()


def bulk(action: str, *rows: Any, **more: Any) -> dict[str, Any]:
    return {"action": f"{action}_selected", "_selected_action": [row.pk for row in rows], **more}


def test_a_bulk_start_says_who_was_left_out_and_why(admin: Client) -> None:
    stopped, started = a_processor(), a_processor("invoices", state="started")
    url = reverse("admin:processors_processor_changelist")

    answer = admin.post(url, bulk("start", stopped, started, reason="All of them"))

    assert "Started: 1 of 2." in said(answer)
    assert "Invoices is started already" in said(answer)
    assert Event.objects.get(action="start").reason == "All of them"


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("stop", "started", "stopped"), ("pause", "started", "paused"),
        ("resume", "paused", "started"), ("run_once", "stopped", "stopped"),
    ],
)  # fmt: skip
def test_every_bulk_act_acts(admin: Client, action: str, before: str, after: str) -> None:
    processor = a_processor(state=before)

    admin.post(reverse("admin:processors_processor_changelist"), bulk(action, processor))

    assert state_of(processor) == after
    assert Event.objects.filter(processor=processor).exists()


def test_a_bulk_act_without_the_right_does_nothing(sign_in: SignIn) -> None:
    processor = a_processor()

    sign_in(*VIEWS).post(reverse("admin:processors_processor_changelist"), bulk("start", processor))

    assert state_of(processor) == "stopped"


# Failed records

RECORDS = "admin:processors_record_changelist"


@pytest.fixture
def failed() -> Record:
    processor = a_processor()
    return a_failed_record(processor, a_run(processor))


def answer_question(client: Client, asked: Any, what: str, **more: str) -> Any:
    """Confirm what a page asked."""
    found = re.search(r'name="selection" value="([^"]+)"', asked.content.decode())
    assert found, asked.content.decode()
    data = {"selection": found[1], "confirmed": "1", **more}
    return client.post(reverse("admin:processors_record_many", args=[what]), data)


@pytest.mark.parametrize(("action", "after"), [("retry", "ready"), ("discard", "skipped")])
def test_records_are_treated_in_bulk_after_a_question(
    admin: Client, failed: Record, action: str, after: str
) -> None:
    asked = admin.post(reverse(RECORDS), bulk(action, failed))
    assert asked.status_code == 200
    assert "1 record " in asked.content.decode()
    assert Record.objects.get(pk=failed.pk).state == "dead"

    done = answer_question(admin, asked, action, reason="Mended")

    assert "1 record " in said(done)
    assert Record.objects.get(pk=failed.pk).state == after
    assert Event.objects.get(action=action).reason == "Mended"


def test_records_that_did_not_fail_are_left_alone_and_counted(
    admin: Client, failed: Record
) -> None:
    fine = a_failed_record(failed.processor, Run.objects.get(), "B-2", state="done")

    asked = admin.post(reverse(RECORDS) + "?state=all", bulk("retry", failed, fine))
    answer = answer_question(admin, asked, "retry")

    assert "1 chosen record has not failed" in asked.content.decode()
    assert "1 was not failed and was left alone." in said(answer)
    assert Record.objects.get(pk=fine.pk).state == "done"


@pytest.mark.parametrize(("what", "after"), [("retry", "ready"), ("discard", "skipped")])
def test_one_record_is_treated_from_its_page(
    admin: Client, failed: Record, what: str, after: str
) -> None:
    url = reverse(f"admin:processors_record_{what}", args=[failed.pk])

    assert admin.get(url).status_code == 405
    admin.post(url, {"reason": "Mended"})
    again = admin.post(url, {})

    assert Record.objects.get(pk=failed.pk).state == after
    assert "only a failed record" in said(again)


def test_treating_records_needs_its_right(sign_in: SignIn, failed: Record) -> None:
    client = sign_in(*VIEWS)
    url = reverse("admin:processors_record_retry", args=[failed.pk])

    assert client.post(url, {}).status_code == 403
    client.post(reverse(RECORDS), bulk("retry", failed, confirmed="1"))

    assert Record.objects.get(pk=failed.pk).state == "dead"


@pytest.mark.parametrize("model", ["processor", "run", "record", "event"])
def test_a_list_needs_its_right(sign_in: SignIn, model: str) -> None:
    url = reverse(f"admin:processors_{model}_changelist")

    assert sign_in().get(url).status_code == 403
    assert sign_in(f"view_{model}").get(url).status_code == 200
    assert Client().get(url).status_code == 302


def test_the_overview_shows_nothing_to_who_may_not_look(sign_in: SignIn) -> None:
    a_processor()

    html = sign_in().get(reverse("admin:index")).content.decode()

    assert "Orders" not in html
    assert reverse(RECORDS) not in html


# Run with…


def run_with(processor: Processor) -> str:
    return reverse("admin:processors_processor_run-with", args=[processor.pk])


def test_run_with_begins_a_limited_run_and_leads_to_it(admin: Client) -> None:
    processor = a_processor()
    admin.get(run_with(processor))

    answer = admin.post(run_with(processor), click(processor, limit="25", reason="A trial"))

    run = Run.objects.get()
    assert answer["Location"] == run.get_absolute_url()
    assert (run.claim_limit, run.reason) == (25, "A trial")


def test_run_with_nothing_filled_in_has_no_limit(admin: Client) -> None:
    processor = a_processor()

    admin.post(run_with(processor), click(processor, limit=""))

    assert Run.objects.get().claim_limit is None


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5", "9" * 13])
def test_a_limit_that_means_nothing_begins_nothing(admin: Client, limit: str) -> None:
    processor = a_processor()

    answer = admin.post(run_with(processor), click(processor, limit=limit), follow=True)

    assert not Run.objects.exists()
    assert "messagelist" in answer.content.decode()


def test_run_with_needs_its_right(sign_in: SignIn) -> None:
    processor = a_processor()
    viewer = sign_in("view_processor")

    assert viewer.get(run_with(processor)).status_code == 403
    assert viewer.post(run_with(processor), click(processor)).status_code == 403


def test_retry_all_of_an_error_asks_first(admin: Client) -> None:
    processor = a_processor()
    record = a_failed_record(processor, a_run(processor))
    page = admin.get(processor.get_absolute_url()).content.decode()
    assert "Retry all 1" in page

    answer = admin.post(
        f"/admin/processors/record/?processor={processor.pk}&error={'f' * 32}",
        {"action": "retry_selected", "select_across": "1", "_selected_action": "0"},
    )

    record.refresh_from_db()
    assert record.state == "dead"
    assert record.key in answer.content.decode()


def test_a_pause_with_an_end_is_told_on_every_page(admin: Client) -> None:
    processor = a_processor(state="started")

    page = admin.post(act_url("pause", processor.pk), {}).content.decode()
    assert "By itself after 1 hour" in page
    answer = {"confirmed": "1", "reason": "CRM", "length": "3600"}
    admin.post(act_url("pause", processor.pk), click(processor, **answer))

    processor.refresh_from_db()
    assert processor.paused_until is not None
    overview = admin.get(reverse("admin:index")).content.decode()
    assert re.search(rf"{processor}</a>: Paused by [^ ]+ at .*: until .*: CRM\.", overview)


def test_what_is_no_time_pauses_nothing(admin: Client) -> None:
    processor = a_processor(state="started")

    answer = admin.post(
        act_url("pause", processor.pk), click(processor, confirmed="1", until="noon")
    )

    assert state_of(processor) == "started"
    assert "“noon” is no date and time" in said(answer)


def test_a_run_outlives_the_person_who_began_it(admin: Client, sign_in: SignIn) -> None:
    processor = a_processor(state="started")
    leaver = sign_in(superuser=True)
    leaver.post(act_url("run-once", processor.pk), click(processor))
    run, person = Run.objects.get(), User.objects.latest("pk")

    admin.post(reverse("admin:auth_user_delete", args=[person.pk]), {"post": "yes"})

    assert not User.objects.filter(pk=person.pk).exists()
    assert {event.actor for event in Event.objects.filter(run=run)} == {person.username}
    for page in (processor.get_absolute_url(), run.get_absolute_url()):
        assert person.username in admin.get(page).content.decode()
