"""What lists and pages tell an operator first: whole sentences, told once, and what to press."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from processors.admin import frame, run_page, slow_cards
from processors.clock import database_now
from processors.models import Actor, Processor
from processors.models.door import Move
from processors.protocol import all_paused
from tests.admin.conftest import a_batch, a_failed_record, a_processor, a_run, an_active_run

pytestmark = pytest.mark.django_db

LIST = "admin:processors_processor_changelist"


def page(client: Client, url: str) -> str:
    return client.get(url).content.decode()


@pytest.mark.parametrize("address", ["admin:index", LIST])
def test_a_fault_is_told_to_the_end_because_the_advice_is_last(admin: Client, address: str) -> None:
    reason = f"{'The table is not there any more. ' * 6}Correct the source, then start it again."
    a_processor(fault_reason=reason)

    assert reason in page(admin, reverse(address))


def paused() -> Processor:
    processor = a_processor(state="started")
    processor.pause(Move(Actor("anna"), database_now(), "CRM"))
    return processor


def test_who_paused_a_processor_is_told_once_on_its_own_page_and_leads_there_elsewhere(
    admin: Client,
) -> None:
    processor = paused()
    url = processor.get_absolute_url()

    assert page(admin, url).count("Paused by anna at") == 1
    assert f'<a href="{url}">Orders</a>: Paused by anna at' in page(admin, reverse("admin:health"))


def test_what_is_usual_is_told_once_enough_runs_tell_it(admin: Client) -> None:
    processor = a_processor()
    told = "known after 5 runs that end by themselves"
    assert told in page(admin, processor.get_absolute_url())

    for seq in range(1, 6):
        a_run(processor, seq)

    assert told not in page(admin, processor.get_absolute_url())


def test_of_many_paused_processors_the_banner_leads_to_all(admin: Client) -> None:
    for number in range(frame.PAUSES_SHOWN + 1):
        a_processor(f"one-{number}", state="paused")

    shown = page(admin, reverse("admin:health"))

    assert shown.count(": Paused.") == frame.PAUSES_SHOWN
    assert f'<a href="{reverse(LIST)}?state=paused">More processors are paused.</a>' in shown


@pytest.mark.usefixtures("still_clock")
def test_a_run_that_has_just_begun_is_no_trouble(admin: Client) -> None:
    run = an_active_run(a_processor(), started_at=database_now())

    for url in (run.get_absolute_url(), run.processor.get_absolute_url()):
        looks = re.findall(r'class="([^"]+)"[^<>]*>Run 9 has just begun', page(admin, url))
        assert looks
        assert not [look for look in looks if "warn" in look]


def test_the_overview_counts_what_is_paused_with_a_run_or_without(admin: Client) -> None:
    a_processor("resting", state="paused")
    an_active_run(a_processor("by-hand", state="stopped"), state="paused")

    assert "0 queued · 2 paused" in page(admin, reverse("admin:index"))


def test_a_paused_run_of_a_stopped_processor_is_told_on_every_page(admin: Client) -> None:
    run = an_active_run(a_processor(state="stopped"), state="paused")

    told = f'<a href="{run.processor.get_absolute_url()}">Orders</a>: Run 9 was paused.'
    assert told in page(admin, reverse("admin:health"))


def test_a_page_does_not_say_twice_when_the_next_run_begins(admin: Client) -> None:
    due = database_now() + timedelta(hours=1)
    processor = a_processor(state="started", trigger_kind="interval", next_due_at=due)

    html = page(admin, processor.get_absolute_url())

    assert "Next run" in html
    assert "Next cycle in" not in html


def test_another_try_on_arrival_is_told_with_its_time(admin: Client) -> None:
    now = database_now()
    processor = a_processor(state="started", trigger_kind="arrival", next_due_at=now)
    tried_at = now + timedelta(minutes=7)
    a_failed_record(processor, a_run(processor), state="ready", available_at=tried_at)

    html = page(admin, processor.get_absolute_url())

    assert tried_at.isoformat() in html
    assert "or when a record arrives" in html


def test_a_blackout_is_told_where_the_next_run_is(admin: Client) -> None:
    due = database_now() + timedelta(hours=1)
    processor = a_processor(
        state="started", trigger_kind="interval", next_due_at=due, blackouts=["daily"]
    )

    for url in (processor.get_absolute_url(), reverse(LIST), reverse("admin:index")):
        assert "Blackout “daily”: it ends in" in page(admin, url)


def test_what_begins_only_by_hand_is_begun_from_the_list(admin: Client) -> None:
    a_processor(state="started", trigger_kind="manual")
    a_processor("mails", state="started", trigger_kind="arrival")

    named = re.findall(r'aria-label="([A-Z][a-z ]+): (Orders|Mails)"', page(admin, reverse(LIST)))

    assert [verb for verb, name in named if name == "Orders"] == ["Run once", "Stop"]
    assert [verb for verb, name in named if name == "Mails"] == ["Pause", "Stop"]


def test_who_forces_a_stop_reads_what_is_in_hand_or_that_nothing_is(admin: Client) -> None:
    processor = a_processor(state="started")
    url = reverse("admin:processors_processor_force-stop", args=[processor.pk])

    idle = page(admin, url)
    a_batch(an_active_run(processor))
    busy = page(admin, url)

    assert "Orders has no run to stop." in idle
    assert "typed_name" not in idle
    assert "Run 9 is going on: 1 batch in hand." in busy
    assert "typed_name" in busy


def test_the_page_that_deletes_names_what(admin: Client) -> None:
    processor = a_processor()

    html = page(admin, reverse("admin:processors_processor_delete", args=[processor.pk]))

    assert "<h1>Delete: Orders</h1>" in html


@pytest.mark.parametrize(("failed", "words"), [(1, "Retry all 1…<"), (3, "Retry all 2+…<")])
def test_a_count_that_was_cut_short_says_so(
    admin: Client, monkeypatch: pytest.MonkeyPatch, failed: int, words: str
) -> None:
    monkeypatch.setattr(slow_cards, "FAILED", 2)
    processor = a_processor()
    run = a_run(processor)
    for number in range(failed):
        a_failed_record(processor, run, f"A-{number}")

    html = page(admin, processor.get_absolute_url())

    assert words in html
    assert ("Counted among the newest 2 failed records." in html) == (failed > 1)


@pytest.mark.parametrize("failed", [2, 3])
def test_errors_of_a_run_that_were_not_all_counted_say_so(
    admin: Client, monkeypatch: pytest.MonkeyPatch, failed: int
) -> None:
    monkeypatch.setattr(run_page, "SAMPLE", 2)
    run = a_run(a_processor())
    for number in range(failed):
        a_failed_record(run.processor, run, f"A-{number}")

    html = page(admin, run.get_absolute_url())

    assert ("Counted among the newest 2 attempts that failed." in html) == (failed > 2)


def test_what_needs_a_person_is_first_on_the_overview(admin: Client) -> None:
    a_processor("calm")
    a_run(a_processor("bad"), state="failed")
    a_processor("faulted", fault_reason="The table is gone.")
    an_active_run(a_processor("working", state="started"))

    table = page(admin, reverse("admin:index")).partition(">All processors<")[2]

    found = re.findall(r'class="name" href="[^"]+">(\w+)</a></td>', table)
    assert found == ["Working", "Faulted", "Bad", "Calm"]


def test_the_overview_says_whether_an_error_goes_on(admin: Client) -> None:
    processor = a_processor()
    run = a_run(processor)
    now = database_now()
    for key, hours in (("A-1", 0), ("A-2", 5)):
        a_failed_record(processor, run, key, settled_at=now - timedelta(hours=hours))

    html = page(admin, reverse("admin:index"))

    numbers = re.findall(r'state=attention[^"]*?(?:failed=(\w+))?">(?:<strong>)?(\d)<', html)
    assert numbers == [("", "2"), ("1h", "1"), ("24h", "2")]


def pause_everything() -> None:
    all_paused.begin(Move(Actor("anna"), database_now(), "CRM"), None)


def test_while_everything_is_paused_no_page_tells_a_time_of_a_start(admin: Client) -> None:
    due = database_now() + timedelta(seconds=2)
    processor = a_processor(state="started", trigger_kind="interval", next_due_at=due)
    pause_everything()

    overview, own, many = (
        page(admin, url)
        for url in (reverse("admin:index"), processor.get_absolute_url(), reverse(LIST))
    )

    assert "nothing begins until it is resumed" in overview
    assert "what is due begins once it is resumed" in page(admin, reverse("admin:schedule"))
    for html in (overview, own, many):
        assert "not while everything is paused" in html
        assert 'data-tick="due"' not in html.partition("Next 24 hours")[0]


def test_a_fault_is_told_beside_the_numbers_of_the_overview(admin: Client) -> None:
    processor = a_processor(fault_reason="The table is gone.")
    one = page(admin, reverse("admin:index"))
    a_processor("mails", fault_reason="The table is gone.")
    two = page(admin, reverse("admin:index"))

    own = re.escape(processor.get_absolute_url())
    assert re.search(rf'<a class="bad-text" href="{own}">Orders: stopped by a fault</a>', one)
    assert re.search(r'href="[^"]+\?state=faulted">2 processors stopped by a fault</a>', two)


@pytest.mark.parametrize("state", ["running", "pausing", "paused", "stopping"])
def test_who_pauses_everything_reads_how_many_runs_are_active(admin: Client, state: str) -> None:
    an_active_run(a_processor(), state=state)

    assert "1 run is active." in page(admin, reverse("admin:pause_all"))


@pytest.mark.usefixtures("still_clock")
def test_one_silent_worker_of_two_is_told_on_every_page(admin: Client) -> None:
    run, now = an_active_run(processor := a_processor(state="started")), database_now()
    a_batch(run, claimed=5, done=3, opened_at=now - timedelta(seconds=20))
    a_batch(run, slot=1, owner="mill-2:7:f00", lease_until=now + timedelta(seconds=25))

    for url in (reverse("admin:index"), reverse(LIST), processor.get_absolute_url()):
        assert page(admin, url).count("the worker of 1 batch (mill-2:7:f00)") >= 1


def test_a_fault_leads_to_the_attempts_it_speaks_of_as_long_as_there_are_some(
    admin: Client,
) -> None:
    reason = "10 of the last 10 records failed. See the failed attempts of run 3."
    processor = a_processor(fault_reason=reason)
    run = a_run(processor, 3, state="failed", fault_reason=reason)
    url = f"{reverse('admin:processors_attempt_changelist')}?run={run.pk}"

    without = page(admin, processor.get_absolute_url())
    a_failed_record(processor, run)
    found = page(admin, processor.get_absolute_url())

    assert url not in without
    assert f'<a href="{url}">Attempts of run 3</a>' in found
    assert "A-1" in page(admin, url)


@pytest.mark.parametrize(
    ("key", "shown"),
    [("\u200b", "\\u200b"), ("A-\u202e1", "A-\\u202e1"), ("京\u200d1", "京\u200d1")],
)
def test_a_key_shows_what_could_not_be_seen(admin: Client, key: str, shown: str) -> None:
    processor = a_processor()
    record = a_failed_record(processor, a_run(processor), key)

    listed = page(admin, reverse("admin:processors_record_changelist") + "?state=attention")
    own = page(admin, reverse("admin:processors_record_change", args=[record.pk]))

    assert f">{shown}</a>" in listed
    assert f'<h1 class="key">{shown}</h1>' in own
