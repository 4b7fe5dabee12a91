"""More than some hundred records are treated in the background, and a page tells how far."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from processors import bulk
from processors.admin import looks
from processors.admin.record_acts import AT_ONCE
from processors.clock import database_now
from processors.models import BulkAct, Processor, Record
from processors.queues import QueueState
from tests.admin.conftest import VIEWS, SignIn
from tests.admin.failures.conftest import KEY_ERROR, html_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def many(processor: Processor, failed: list[Record]) -> int:
    now = database_now()
    Record.objects.bulk_create(
        Record(processor=processor, key=f"M-{n}", state="dead", payload={}, available_at=now,
               created_at=now, settled_at=now, fingerprint=KEY_ERROR, error_type="KeyError")
        for n in range(AT_ONCE)
    )  # fmt: skip
    return AT_ONCE + 3


def begin_one(admin: Client, processor: Processor) -> BulkAct:
    url = reverse("admin:processors_record_many", args=["retry"])
    asked = admin.post(f"{url}?processor={processor.pk}&error={KEY_ERROR}").content.decode()
    selection = re.search(r'name="selection" value="([^"]+)"', asked)
    assert selection
    assert "in the background" in asked
    answer = admin.post(url, {"selection": selection[1], "confirmed": "1", "reason": "Mended"})
    begun: BulkAct = BulkAct.objects.get()
    assert answer["Location"] == begun.get_absolute_url()
    return begun


def test_more_than_some_hundred_go_to_the_background_and_a_page_shows_how_far_they_are(
    admin: Client, processor: Processor, many: int
) -> None:
    begun = begin_one(admin, processor)
    assert Record.objects.needing_attention().count() == many + 1

    assert bulk.step(begun.pk)

    html = admin.get(begun.get_absolute_url()).content.decode()
    assert "500 of about 503 records" in html
    assert "Going on" in html
    assert begun.get_absolute_url() in html_of(admin)

    bulk.work(begun.pk)

    html = admin.get(begun.get_absolute_url()).content.decode()
    assert "503 of about 503 records" in html
    assert "Finished" in html
    assert Record.objects.needing_attention().count() == 1


def test_its_page_says_what_it_waits_for(
    admin: Client, processor: Processor, many: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = begin_one(admin, processor).get_absolute_url()
    states = {"workers": 0}
    monkeypatch.setattr(
        looks, "queue", lambda name: QueueState(name, waiting=1, workers=states["workers"])
    )
    assert "start one with manage.py rqworker default" in card_of(admin.get(address).text)

    states["workers"] = 1

    assert "it begins as soon as one is free" in card_of(admin.get(address).text)


def card_of(html: str) -> str:
    """What stands below the banners."""
    return html[html.index('data-live="progress"') :]


def test_the_page_of_a_retry_says_that_its_processor_must_be_started(
    admin: Client, processor: Processor, many: int
) -> None:
    begun = begin_one(admin, processor)
    bulk.work(begun.pk)

    html = admin.get(begun.get_absolute_url()).content.decode()
    Processor.objects.update(state="started")

    assert "Start or run Orders to go on." in html
    assert "to go on" not in admin.get(begun.get_absolute_url()).content.decode()


def test_an_act_of_who_lost_the_right_ends_and_says_so(
    sign_in: SignIn, processor: Processor, many: int
) -> None:
    client = sign_in(*VIEWS, "manage_dead_records")
    begun = begin_one(client, processor)
    assert begun.user is not None
    begun.user.user_permissions.clear()

    bulk.work(begun.pk)

    begun.refresh_from_db()
    assert begun.has_ended
    assert "do not have the right" in begun.trouble
    assert Record.objects.needing_attention().count() == many + 1


def test_what_fails_again_meanwhile_is_not_retried_by_the_same_act(
    admin: Client, processor: Processor, many: int
) -> None:
    begun = begin_one(admin, processor)
    bulk.step(begun.pk)
    again = Record.objects.filter(state="ready").first()
    assert again is not None
    later = database_now() + timedelta(seconds=1)
    Record.objects.filter(pk=again.pk).update(state="dead", settled_at=later)

    bulk.work(begun.pk)

    assert Record.objects.get(pk=again.pk).state == "dead"


def test_a_hidden_processors_act_has_no_page(
    admin: Client, sign_in: SignIn, processor: Processor, many: int
) -> None:
    from django.contrib.auth.models import Group

    begun = begin_one(admin, processor)
    processor.groups.add(Group.objects.create(name="A"))

    client = sign_in(*VIEWS, "manage_dead_records")

    assert client.get(begun.get_absolute_url()).status_code == 404
    assert sign_in(*VIEWS).get(begun.get_absolute_url()).status_code == 403


def test_an_act_whose_wake_up_was_lost_is_woken_again(
    admin: Client, processor: Processor, many: int
) -> None:
    from processors import maintenance, queues
    from processors.queues.wakeups import queue

    begun = begin_one(admin, processor)
    assert queue("default").jobs == []
    BulkAct.objects.update(seen_at=database_now() - timedelta(minutes=5))

    maintenance.wake_for_acts(database_now())
    maintenance.wake_for_acts(database_now())

    [job] = queue("default").jobs
    assert job.func_name == "processors.tasks.act_on_many"
    assert job.args == [begun.pk]
    assert queues.SafeJob.fetch(job.id, connection=job.connection).func is not None
