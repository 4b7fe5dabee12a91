"""Everything is paused in one act, and goes on as it was."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command

from processors import control, cycle, maintenance, pause_all
from processors.acts import Refused, by_user
from processors.clock import database_now
from processors.cycle import shift, stretches
from processors.explain import why
from processors.handlers import Handler, registry
from processors.models import Batch, Event, Installation, Record, Run
from processors.protocol import all_paused, first_claim
from processors.protocol.gate import Ask
from processors.protocol.leases import Lease
from processors.sources import Source
from processors.states import ProcessorState, RunState
from tests.stories import act, counters, define, fill_inbox, numbered, run_here

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _installation(transactional_db: None) -> None:
    Installation.make()


def after(**length: int) -> datetime:
    return database_now() + timedelta(**length)


@pytest.fixture
def pausing_handler(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Somebody pauses everything while it has the third record in hand; the keys it got."""
    monkeypatch.setattr(shift, "LOOK_SECONDS", 0)
    monkeypatch.setattr(stretches, "LEAST_LOOK_SECONDS", 0)
    seen: list[str] = []

    def handle(record: Any, context: Any) -> None:
        seen.append(record.key)
        if len(seen) == 3:
            pause_all.pause_all(act("maintenance"))

    registry.add(Handler("handling.pausing", "Pause", handle))
    yield seen
    del registry._handlers["handling.pausing"]


def test_a_worker_finishes_the_record_in_hand_and_gives_back_the_rest(
    pausing_handler: list[str],
) -> None:
    processor = define("pausing")
    fill_inbox(processor, numbered(20))

    run = run_here(processor)

    assert len(pausing_handler) == 3
    assert run.state == RunState.RUNNING
    assert counters(run) == {"claimed": 20, "done": 3, "released": 17}
    assert not Batch.objects.leased().exists()


def test_of_a_batch_that_opened_beside_the_pause_nothing_begins_once_its_worker_looks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shift, "LOOK_SECONDS", 0)
    claim = first_claim.claim

    def claim_beside_the_pause(source: Source, ask: Ask) -> Lease | None:
        lease = claim(source, ask)
        pause_all.pause_all(act())
        return lease

    monkeypatch.setattr(first_claim, "claim", claim_beside_the_pause)
    processor = define("echo")
    fill_inbox(processor, numbered(20))

    run = run_here(processor)

    assert counters(run) == {"claimed": 20, "released": 20}
    assert all_paused.is_at_rest()


def test_afterwards_the_same_run_goes_on(pausing_handler: list[str]) -> None:
    processor = define("pausing")
    fill_inbox(processor, numbered(20))
    run = run_here(processor)
    cycle.work(run.pk)
    assert len(pausing_handler) == 3, "nothing may be claimed meanwhile"

    pause_all.resume_all(act())
    cycle.work(run.pk)

    run.refresh_from_db()
    assert (run.state, run.done) == (RunState.FINISHED, 20)
    assert sorted(pausing_handler) == sorted(numbered(20))


def test_nothing_that_is_due_begins_and_it_stays_due() -> None:
    processor = define("echo", trigger={"kind": "arrival"})
    control.start(processor.pk, act())
    pause_all.pause_all(act())
    fill_inbox(processor, numbered(2))

    maintenance.tick()

    assert not Run.objects.exists()
    pause_all.resume_all(act())
    maintenance.tick()
    assert Run.objects.get().state == RunState.RUNNING


def test_what_is_added_and_started_meanwhile_waits_as_well() -> None:
    pause_all.pause_all(act("moving house"))
    processor = define("echo", trigger={"kind": "interval", "pause_seconds": 1})
    fill_inbox(processor, numbered(1))

    message = control.start(processor.pk, act())

    maintenance.tick()
    processor.refresh_from_db()
    assert "It waits until everything is resumed." in message
    assert processor.state == ProcessorState.STARTED
    assert not Run.objects.exists()
    assert "moving house" in why(processor, database_now())


def test_a_run_by_hand_is_refused_in_a_sentence() -> None:
    processor = define("echo")
    pause_all.pause_all(act("moving house"))

    with pytest.raises(Refused, match=r"moving house.*Resume everything first"):
        control.run_once(processor.pk, act())


def test_what_was_paused_by_itself_stays_paused() -> None:
    processor = define("echo", trigger={"kind": "interval", "pause_seconds": 60})
    control.start(processor.pk, act())
    control.pause(processor.pk, act("mine"))
    pause_all.pause_all(act())

    message = pause_all.resume_all(act())

    processor.refresh_from_db()
    assert processor.state == ProcessorState.PAUSED
    assert "Paused by themselves, and still so: 1." in message


def test_it_ends_by_itself_and_the_machine_signs() -> None:
    processor = define("echo", trigger={"kind": "interval", "pause_seconds": 60})
    control.start(processor.pk, act())
    message = pause_all.pause_all(act("CRM"), until=after(hours=1))
    maintenance.tick()
    assert all_paused.is_on(), "not before its time"

    Installation.objects.update(paused_until=after(seconds=-1))
    maintenance.tick()

    assert "It goes on by itself at" in message
    assert not all_paused.is_on()
    told = Event.objects.filter(action="resume-all").get()
    assert (told.actor, told.reason) == ("recordmill", "its pause has ended")


def test_its_end_lies_ahead() -> None:
    with pytest.raises(Refused, match="lies ahead"):
        pause_all.pause_all(act(), until=after(hours=-1))
    assert not all_paused.is_on()


def test_every_processor_has_it_in_its_history_once_for_a_doubled_click() -> None:
    from uuid import uuid4

    define("echo")
    define("echo", slug="other", name="Other")
    user = User.objects.create_superuser("anna")
    click = by_user(user, "moving house", operation=uuid4())

    pause_all.pause_all(click)
    again = pause_all.pause_all(click)

    assert again == "This was done already."
    events = Event.objects.filter(action="pause-all")
    assert sorted(events.values_list("processor__slug", "actor", "reason")) == [
        ("other", "anna", "moving house"),
        ("story", "anna", "moving house"),
    ]
    assert LogEntry.objects.filter(user=user, object_repr="Everything").count() == 1


def test_an_old_page_does_not_end_a_later_pause() -> None:
    pause_all.pause_all(act("first"))
    seen = pause_all.stamp(all_paused.current())
    pause_all.resume_all(act())
    pause_all.pause_all(act("second"))

    with pytest.raises(Refused, match=r"this page was old.*second"):
        pause_all.resume_all(by_user(User.objects.create_superuser("bob"), version=seen))


def test_whoever_does_not_reach_every_processor_may_not_pause_them_all() -> None:
    processor = define("echo")
    processor.groups.add(Group.objects.create(name="others"))
    user = User.objects.create_user("anna", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="operate_processor"))

    with pytest.raises(PermissionDenied):
        pause_all.pause_all(by_user(user))
    assert not pause_all.may_pause_all(user)


def test_the_sentence_tells_what_is_still_in_hand() -> None:
    processor = define("echo")
    fill_inbox(processor, numbered(3))
    run = control.run_once(processor.pk, act())
    now = database_now()
    Batch.objects.create(run=run, slot=0, owner="w", lease_until=after(minutes=1), opened_at=now)

    pause_all.pause_all(act("moving house"))

    assert "1 batch still in hand" in why(processor, database_now())


def test_publishing_goes_on_and_its_records_wait() -> None:
    processor = define("echo", trigger={"kind": "arrival"})
    control.start(processor.pk, act())
    pause_all.pause_all(act())

    fill_inbox(processor, numbered(2))

    assert Record.objects.filter(state="ready").count() == 2


def say(*arguments: str) -> str:
    out = StringIO()
    call_command("processor", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_pauses_and_resumes_everything() -> None:
    define("echo")

    paused = say("pause", "--all", "--until", "2h", "--reason", "moving house", "--wait")

    assert "Everything was paused. It goes on by itself at" in paused
    assert "Everything goes on." in say("resume", "--all")
    assert '"all_paused": true' in say("pause", "--all", "--json")


@pytest.mark.parametrize("words", [["pause"], ["resume", "story", "--all"]])
def test_the_command_wants_one_processor_or_all_of_them(words: list[str]) -> None:
    with pytest.raises(CommandError, match="Name one processor, or say --all"):
        say(*words)


def test_nothing_to_resume_is_said() -> None:
    with pytest.raises(CommandError, match="not everything is paused"):
        say("resume", "--all")
