"""Each button of a processor acts and keeps the reason that was given."""

import re
from datetime import datetime, timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from processors import pause_all
from processors.acts import by_user
from processors.models import Event, Processor, Run
from tests.admin.acts.conftest import act_url, state_of
from tests.admin.conftest import SignIn, a_processor, a_run, click, said

pytestmark = pytest.mark.django_db


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


def test_a_run_by_hand_tells_that_it_clears_a_fault(admin: Client) -> None:
    processor = a_processor(fault_reason="The table is gone.")

    answer = admin.post(act_url("run-once", processor.pk), click(processor))

    told = "Its fault was cleared; a few records are tried first. Run 1 of Orders has begun."
    assert told in said(answer)


def test_a_run_by_hand_is_not_offered_while_it_is_paused(admin: Client) -> None:
    run = a_run(a_processor(state="paused"))

    assert act_url("run-once", run.processor_id) not in admin.get(run.get_absolute_url()).text


def test_a_run_by_hand_is_not_offered_while_everything_is_paused(admin: Client) -> None:
    run = a_run(a_processor())
    addresses = act_url("run-once", run.processor_id), act_url("run-with", run.processor_id)
    pages = run.processor.get_absolute_url(), run.get_absolute_url()
    assert addresses[0] in admin.get(pages[0]).text

    pause_all.pause_all(by_user(User.objects.get()))

    for page in pages:
        shown = admin.get(page).text
        assert not [address for address in addresses if address in shown]


def test_clear_fault_clears_it(admin: Client) -> None:
    processor = a_processor(fault_reason="The table is gone.")

    admin.post(act_url("clear-fault", processor.pk), click(processor))

    assert not Processor.objects.get(pk=processor.pk).is_faulted


def test_a_pause_with_an_end_is_told_on_every_page(admin: Client) -> None:
    processor = a_processor(state="started")

    page = admin.post(act_url("pause", processor.pk), {}).content.decode()
    assert "By itself after 1 hour" in page
    soonest, latest = re.findall(r'(?:min|max)="([\dT:-]{16})"', page)
    assert timedelta(days=365) < datetime.fromisoformat(latest) - datetime.fromisoformat(soonest)
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
