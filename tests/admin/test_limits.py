"""Limits changed while a processor runs: they hold at once, are told, and can be taken back."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse

from processors import control
from processors.clock import database_now
from processors.forms.limits import LimitsForm
from processors.models import Allowance, Event, Lane, Processor, Record, Version
from processors.protocol import claiming
from processors.protocol.gate import Ask
from processors.protocol.working import freeze, source_of
from tests.admin.conftest import VIEWS, SignIn, a_processor, an_active_run
from tests.admin.test_versions import change
from tests.factories import make_lane, make_record
from tests.stories import act, define, fill_inbox, numbered

pytestmark = pytest.mark.django_db


def url_of(name: str, processor: Processor) -> str:
    return reverse(f"admin:processors_processor_{name}", args=[processor.pk])


def sent(processor: Processor, **changes: Any) -> dict[str, Any]:
    """What the form sends when nothing but `changes` is typed."""
    form = LimitsForm(Processor.objects.get(pk=processor.pk))
    return {name: form[name].value() or "" for name in form.fields} | changes


def tune(client: Client, processor: Processor, **changes: Any) -> Any:
    return client.post(url_of("limits", processor), sent(processor, **changes))


def undo(client: Client, processor: Processor, number: int = 2) -> Any:
    return client.post(url_of("limits_undo", processor), {"number": number})


def told(answer: Any) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))


def test_a_change_is_told_with_its_values_and_its_reason(admin: Client) -> None:
    processor = a_processor()

    answer = tune(admin, processor, batch_size="50", rate_limits="100/s\n1,000/h", reason="slow")

    processor.refresh_from_db()
    assert (processor.batch_size, processor.rate_limits) == (50, ["100/s", "1000/h"])
    event = Event.objects.get(action="limits")
    assert event.reason.startswith("batch size: 500 → 50, rate limits")
    assert event.reason.endswith(": slow")
    assert event.actor == "user-0"
    assert "batch size: 500 → 50" in told(answer)
    assert "from the next claim" in told(answer)


@pytest.mark.django_db(transaction=True)
def test_it_holds_at_the_next_claim_of_a_run_that_goes_on(admin: Client) -> None:
    processor = define("echo", batch_size=5)
    fill_inbox(processor, numbered(20))
    run = control.run_once(processor.pk, act())
    first = claiming.claim(source_of(run), Ask(run.pk, "host:1:a"))

    tune(admin, processor, batch_size="2")

    second = claiming.claim(source_of(run), Ask(run.pk, "host:1:b"))
    assert [len(lease.claimed) for lease in (first, second) if lease] == [5, 2]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"batch_size": "0"}, "batch_size"),
        ({"parallelism": "1.5"}, "parallelism"),
        ({"concurrency": "x"}, "concurrency"),
        ({"pause_seconds": "-1"}, "pause_seconds"),
        ({"rate_limits": "fast"}, "rate_limits"),
        ({"rate_limits": "5/s\n6/s"}, "rate_limits"),
        ({"rate_limits": "5/s\x00"}, "rate_limits"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    admin: Client, changes: dict[str, Any], field: str
) -> None:
    processor = a_processor(trigger_kind="interval")

    answer = tune(admin, processor, **changes)

    assert answer.status_code == 200
    assert field in answer.context["limits"].errors
    assert not Event.objects.exists()


def test_a_pause_is_offered_only_where_there_is_one(admin: Client) -> None:
    by_hand, paced = a_processor(), a_processor("paced", trigger_kind="interval")

    tune(admin, by_hand, pause_seconds="999")
    tune(admin, paced, pause_seconds="30")

    assert "pause_seconds" not in LimitsForm(by_hand).fields
    assert set(Processor.objects.values_list("slug", "pause_seconds")) == {
        ("orders", 60), ("paced", 30),
    }  # fmt: skip


def test_what_the_breaker_has_seen_still_counts(admin: Client) -> None:
    since = database_now() - timedelta(hours=1)
    processor = a_processor(judged_since=since)

    tune(admin, processor, batch_size="50")

    assert Processor.objects.get().judged_since == since


def test_nothing_else_can_be_changed_this_way(admin: Client) -> None:
    processor = a_processor()

    tune(admin, processor, name="Other", queue="high", batch_size="9")

    processor.refresh_from_db()
    assert (processor.name, processor.queue, processor.batch_size) == ("Orders", "default", 9)


def test_the_second_of_two_people_saves_nothing(admin: Client) -> None:
    processor = a_processor()
    second = sent(processor, batch_size="7")
    tune(admin, processor, batch_size="50")

    answer = admin.post(url_of("limits", processor), second)

    assert "Changed by user-0" in str(answer.context["limits"].errors)
    assert Processor.objects.get().batch_size == 50


def test_who_changes_the_name_meanwhile_is_not_in_the_way(admin: Client) -> None:
    processor = a_processor()
    data = sent(processor, batch_size="7")
    change(processor, name="Other")

    admin.post(url_of("limits", processor), data)

    assert Processor.objects.get().batch_size == 7


# The way back


def test_one_click_takes_a_change_back(admin: Client) -> None:
    processor = a_processor(rate_limits=["5/s"])
    tune(admin, processor, batch_size="50", rate_limits="")
    assert "batch size: 500 → 50" in admin.get(processor.get_absolute_url()).content.decode()

    answer = undo(admin, processor)

    processor.refresh_from_db()
    assert (processor.batch_size, processor.rate_limits) == (500, ["5/s"])
    assert "batch size: 50 → 500" in told(answer)
    assert Event.objects.get(action="undo-limits").actor == "user-0"
    assert ">Undo<" not in admin.get(processor.get_absolute_url()).content.decode()


@pytest.mark.parametrize("later", ["name", "limits", "past us"])
def test_nothing_is_undone_once_something_else_was_changed(admin: Client, later: str) -> None:
    processor = a_processor()
    tune(admin, processor, batch_size="50")
    if later == "name":
        change(processor, name="Other")
    elif later == "limits":
        tune(admin, processor, batch_size="60")
    else:
        Processor.objects.update(parallelism=9)

    answer = undo(admin, processor)

    assert "nothing was undone" in told(answer)
    assert Processor.objects.get().batch_size != 500


def test_an_undo_that_is_sent_twice_undoes_once(admin: Client) -> None:
    processor = a_processor()
    tune(admin, processor, batch_size="50")

    undo(admin, processor)
    undo(admin, processor)

    assert Processor.objects.get().batch_size == 500
    assert Version.objects.count() == 3


def test_the_page_of_who_may_not_tune_shows_the_values(sign_in: SignIn) -> None:
    processor = a_processor(batch_size=77)
    viewer, tuner = sign_in(*VIEWS), sign_in(*VIEWS, "tune_processor")

    html = viewer.get(processor.get_absolute_url()).content.decode()
    assert "Change limits" not in html
    assert "77" in html
    assert tune(viewer, processor).status_code == 403
    assert undo(viewer, processor).status_code == 403
    assert tune(tuner, processor, batch_size="5").status_code == 302
    assert Processor.objects.get().batch_size == 5


# Gauges


def used(processor: Processor, age: float, **columns: Any) -> None:
    now = database_now()
    columns = {"free_at": now, "limit": "100/min"} | columns
    Allowance.objects.create(processor=processor, window_at=now - timedelta(seconds=age), **columns)


@pytest.mark.parametrize(
    ("age", "now", "before"),
    [(5, "40 of 100", "7"), (70, "0 of 100", "40"), (200, "0 of 100", "0")],
)
def test_a_gauge_shows_the_present_window_and_the_one_before(
    admin: Client, age: float, now: str, before: str
) -> None:
    processor = a_processor(rate_limits=["100/min"])
    used(processor, age, used=40, used_before=7)

    html = admin.get(processor.get_absolute_url(), headers={"X-Live": "1"}).content.decode()

    assert f"{now} this minute" in html
    assert f"{before} in the one before" in html


def test_what_holds_a_run_back_is_said(admin: Client) -> None:
    processor = a_processor(rate_limits=["100/h"])
    an_active_run(processor)
    ahead = database_now() + timedelta(seconds=60)
    used(processor, 5, limit="100/h", used=100, free_at=ahead)

    html = admin.get(processor.get_absolute_url()).content.decode()

    assert "100/h holds it back: the next record in " in html


# Limits by a key


def by_key(**columns: Any) -> Processor:
    processor = a_processor(rate_limits=["5/min by customer"], **columns)
    an_active_run(processor, config=freeze(processor))
    make_lane(processor, "acme", used=5, waiting=3, free_at=database_now() + timedelta(seconds=9))
    make_lane(processor, "other", used=2)
    make_lane(processor, "", used=1)
    return processor


def live(client: Client, processor: Processor) -> str:
    return client.get(processor.get_absolute_url(), headers={"X-Live": "1"}).content.decode()


def test_the_busiest_keys_of_a_limit_are_shown_with_what_they_hold_back(admin: Client) -> None:
    html = live(admin, by_key())

    assert "3 held back, the first until " in html
    assert html.index("acme") < html.index("other") < html.index("(no value)")
    assert "5 of 5 this minute" in html
    assert "3 waiting" in html


def test_keys_are_shown_to_nobody_who_may_not_see_payloads(sign_in: SignIn) -> None:
    html = live(sign_in("view_processor"), by_key())

    assert "3 held back" in html
    assert "acme" not in html
    assert "who may see payloads" in html


def test_a_key_that_is_a_secret_is_masked(admin: Client) -> None:
    processor = a_processor(rate_limits=["5/min by account.api_token"])
    make_lane(processor, "hunter2", used=5)

    html = live(admin, processor)

    assert "hunter2" not in html
    assert "•••" in html


def test_a_record_says_which_limit_holds_it_back_and_who_goes_first(admin: Client) -> None:
    processor = by_key()
    first, second, _ = Record.objects.order_by("id")

    assert "it is the next of its key" in admin.get(url_of_record(first)).content.decode()
    html = admin.get(url_of_record(second)).content.decode()
    assert "Held back by the limit 5/min by customer: 1 record of its key goes first." in html
    assert not re.search(r'"2200-|Jan\. 2200', html)
    assert processor.name in html


def url_of_record(record: Record) -> str:
    return reverse("admin:processors_record_change", args=[record.pk])


def test_what_a_limit_is_counted_by_must_be_there(admin: Client) -> None:
    processor = a_processor()
    make_record(processor, payload={"client": "x"})

    answer = tune(admin, processor, rate_limits="5/min by customer")

    said = str(answer.context["limits"].errors)
    assert "none of the newest 1 records has a field" in said
    assert "client" in said


def test_a_limit_by_a_key_is_changed_and_undone_like_any_other(admin: Client) -> None:
    processor = by_key()

    tune(admin, processor, rate_limits="10/min by customer")
    assert set(Lane.objects.values_list("limit", flat=True)) == {"10/min by customer"}
    undo(admin, processor)

    processor.refresh_from_db()
    assert processor.rate_limits == ["5/min by customer"]
    assert set(Lane.objects.values_list("limit", flat=True)) == {"5/min by customer"}
    assert Record.objects.in_lanes().count() == 3
