"""Acts and lists are for who may; what he may not do is not offered."""

import pytest
from django.test import Client
from django.urls import reverse

from processors.models import Record
from tests.admin.acts.conftest import RECORDS, VERBS, act_url, bulk, state_of
from tests.admin.conftest import VIEWS, SignIn, a_processor, click

pytestmark = pytest.mark.django_db


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
