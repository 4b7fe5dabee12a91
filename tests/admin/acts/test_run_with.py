"""Run with…: a run with a limit and a reason."""

import pytest
from django.test import Client
from django.urls import reverse

from processors.models import Processor, Run
from tests.admin.conftest import SignIn, a_processor, click

pytestmark = pytest.mark.django_db


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
