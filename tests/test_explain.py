"""One sentence says why a processor does what it does."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from processors.circumstances import Known
from processors.clock import database_now
from processors.explain import why, whys
from processors.models import Actor, Allowance, Processor
from processors.models.door import Move
from processors.protocol.working import freeze
from processors.queues.wakeups import QueueState
from processors.wording import moment
from tests.admin.conftest import a_batch, a_processor, an_active_run
from tests.factories import make_lane, make_record

pytestmark = pytest.mark.django_db


def reason(processor: Processor, now: Any = None) -> str:
    processor.refresh_from_db()
    return why(processor, now or database_now())


def test_a_new_processor_was_never_started() -> None:
    assert reason(a_processor()) == "Stopped: it was never started."


@pytest.mark.parametrize(("state", "told"), [("paused", "Paused."), ("stopped", "Stopped.")])
def test_nobody_guesses_who_did_what_no_line_tells(state: str, told: str) -> None:
    assert reason(a_processor(state=state, last_seq=3)) == told


def test_a_stopped_one_names_who_and_why() -> None:
    processor = a_processor(state="started")
    processor.stop(Move(Actor("anna"), database_now(), "CRM maintenance"))

    assert reason(processor).startswith("Stopped by anna at ")
    assert reason(processor).endswith(": CRM maintenance.")


def test_a_faulted_one_tells_its_fault() -> None:
    assert reason(a_processor(fault_reason="The table is gone.")) == "Faulted: The table is gone."


def test_a_started_one_says_when_it_goes_on() -> None:
    now = database_now()
    processor = a_processor(
        state="started", trigger_kind="interval", next_due_at=now + timedelta(seconds=12)
    )

    assert reason(processor, now) == "Next cycle in 12 s."


def test_a_cycle_that_nobody_begins_is_noticed() -> None:
    now = database_now()
    processor = a_processor(
        state="started", trigger_kind="interval", next_due_at=now - timedelta(seconds=90)
    )

    assert "was due 1 min 30 s ago and nobody began it" in reason(processor, now)


@pytest.mark.parametrize(
    ("kind", "words"),
    [("manual", "only by hand"), ("arrival", "begins when one arrives")],
)
def test_what_a_started_one_waits_for_is_said(kind: str, words: str) -> None:
    due = database_now() if kind == "arrival" else None

    assert words in reason(a_processor(state="started", trigger_kind=kind, next_due_at=due))


@pytest.mark.parametrize(
    ("state", "held", "words"),
    [
        ("stopping", 2, "Run 9 is stopping: 2 batches still in hand."),
        ("stopping", 0, "Run 9 is stopping: nothing is in hand any more."),
        ("pausing", 1, "Run 9 is pausing: 1 batch still in hand."),
        ("running", 1, "Run 9 is going on: 1 batch in hand."),
        ("paused", 0, "Run 9 was paused."),
        ("running", 0, "No worker listens to queue 'high', so run 9 waits"),
    ],
)
def test_an_active_run_says_what_it_waits_for(state: str, held: int, words: str) -> None:
    processor = a_processor()
    run = an_active_run(processor, state=state, config={"queue": "high"})
    for slot in range(held):
        a_batch(run, slot=slot)

    assert reason(processor).startswith(words)


def test_a_worker_that_was_not_heard_of_is_said() -> None:
    processor = a_processor()
    run = an_active_run(processor)
    a_batch(run, lease_until=database_now() + timedelta(seconds=settings.LEASE_SECONDS / 2 - 1))

    assert "has not been heard of" in reason(processor)


@pytest.mark.parametrize(
    ("ago", "by", "goes_on"),
    [(30, "completed", True), (90, "completed", False), (30, "reaped", False)],
)
def test_a_run_goes_on_while_another_worker_ends_batches(
    client: Client, ago: int, by: str, *, goes_on: bool
) -> None:
    client.force_login(User.objects.create_superuser("anna"))
    run, now = an_active_run(processor := a_processor()), database_now()
    a_batch(run, lease_until=now - timedelta(seconds=1))  # of 60: last heard of a minute ago
    a_batch(run, slot=1, state="closed", close_reason=by, closed_at=now - timedelta(seconds=ago))

    sentence, page = reason(processor), client.get(run.get_absolute_url()).text

    assert ("Run 9 is going on: 1 batch in hand. Nobody has heard of" in sentence) is goes_on
    assert sentence in page
    assert ("Stalled?" in page) is not goes_on


@pytest.mark.parametrize(("ago", "words"), [(1, "is going on, between"), (9, "No worker listens")])
def test_a_run_between_two_batches_waits_for_nobody(ago: int, words: str) -> None:
    run = an_active_run(processor := a_processor())
    now = database_now()
    ended = now - timedelta(seconds=ago)
    a_batch(run, state="closed", close_reason="completed", closed_at=ended)

    assert words in reason(processor, now)


def test_a_pause_names_who_paused_the_run() -> None:
    processor = a_processor()
    run = an_active_run(processor)
    run.request_pause(Move(Actor("anna"), database_now(), "Lunch"))
    run.become_paused(Move(Actor("recordmill"), database_now()))

    assert reason(processor).startswith("Run 9 was paused by anna at ")


def test_without_redis_a_run_says_so(redis_server: Any) -> None:
    processor = a_processor()
    an_active_run(processor)
    redis_server.stop()
    try:
        assert "Redis does not answer" in reason(processor)
    finally:
        redis_server.start()


def test_a_run_that_a_rate_limit_holds_back_says_which_and_for_how_long() -> None:
    now = database_now()
    processor = a_processor(state="started", rate_limits=["10/min"])
    an_active_run(processor, started_at=now - timedelta(minutes=1))
    Allowance.objects.create(
        processor=processor,
        limit="10/min",
        free_at=now + timedelta(seconds=4.5),
        window_at=now,
    )

    assert reason(processor, now) == "Run 9 keeps to its rate limit of 10/min: the next in 4 s."


def test_what_limits_by_a_key_hold_back_is_counted() -> None:
    now = database_now()
    processor = a_processor(state="started", rate_limits=["5/min by customer"])
    run = an_active_run(processor, started_at=now - timedelta(minutes=1), config=freeze(processor))
    make_lane(processor, waiting=3, free_at=now + timedelta(seconds=12))
    held = "3 records are held back by the limit 5/min by customer, the first until "
    until = moment(now + timedelta(seconds=11.52), now)

    assert reason(processor, now).startswith(f"Run 9 waits. {held}{until}.")

    a_batch(run)
    assert reason(processor, now).startswith(f"Run 9 is going on: 1 batch in hand. {held}{until}.")


def held_by_a_key(now: datetime) -> Processor:
    """Its run is going on; of its records three wait for their key and one for a worker."""
    processor = a_processor(state="started", rate_limits=["5/min by customer"])
    an_active_run(processor, started_at=now - timedelta(minutes=1), config=freeze(processor))
    make_lane(processor, waiting=3, free_at=now + timedelta(seconds=12))
    make_record(processor, available_at=now)
    return processor


def test_a_key_that_waits_is_no_reason_while_others_could_go_on() -> None:
    now = database_now()

    assert "No worker listens" in reason(held_by_a_key(now), now)


def test_a_run_without_a_worker_tells_what_limits_hold_back_as_well() -> None:
    now = database_now()
    processor = held_by_a_key(now)

    told = whys([processor], now, lambda name: QueueState(name, waiting=0, workers=2))[processor.pk]

    assert told.startswith("Run 9 waits for a free worker on queue 'default'. 3 records are held")


def test_silent_workers_of_many_runs_are_asked_for_once() -> None:
    now = database_now()

    def half_silent(slug: str) -> Processor:
        processor = a_processor(slug, state="started")
        run = an_active_run(processor)
        a_batch(run, slot=8, owner=f"{slug}-1", lease_until=now + timedelta(seconds=60))
        a_batch(run, slot=9, owner=f"{slug}-2", lease_until=now + timedelta(seconds=5))
        return processor

    def asked(processors: list[Processor]) -> tuple[int, dict[int, str]]:
        with CaptureQueriesContext(connection) as queries:
            told = whys(processors, now)
        return len(queries), told

    first, *others = [half_silent(f"orders-{number}") for number in range(4)]
    one, _told = asked([first])
    four, told = asked([first, *others])

    assert one == four
    assert all(f"({each.slug}-2)" in told[each.pk] for each in (first, *others))


def test_a_cycle_that_is_just_due_does_not_deny_what_waits() -> None:
    now = database_now()
    processor = a_processor(state="started", trigger_kind="interval", next_due_at=now)

    assert reason(processor, now) == (
        "The next cycle is due now: it begins within seconds if a record waits."
    )


def test_what_waits_for_its_time_on_arrival_is_told_beside_what_may_arrive() -> None:
    now = database_now()
    processor = a_processor(state="started", trigger_kind="arrival", next_due_at=now)

    sentences = [
        why(processor, now, Known(starts={processor.pk: start}))
        for start in (now + timedelta(seconds=40), now, None)
    ]

    empty = "Waits for records: a cycle begins when one arrives."
    later = "A cycle begins when a record arrives, and in 40 s for what waits until then."
    assert sentences == [later, empty, empty]
