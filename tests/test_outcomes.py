"""What becomes of a record, by what its handler said."""

from typing import Any

import pytest

from processors import dead_letters, publishing
from processors.handlers import Context, Handler, registry
from processors.handlers import Record as Given
from processors.models import Attempt, Event, Record, Run
from processors.selection import Selection
from processors.states import RecordState
from tests.handling.models import Effect
from tests.stories import LATER, act, counters, define, fill_inbox, numbered, run_here

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "shop"])


def only_attempt() -> Attempt:
    return Attempt.objects.get()


def test_a_result_is_kept_with_the_record() -> None:
    processor = define("echo")
    fill_inbox(processor, {"a": {"x": [1, "é", None]}})

    run = run_here(processor)

    assert counters(run) == {"claimed": 1, "done": 1}
    assert Record.objects.get().result == {"x": [1, "é", None]}
    assert Record.objects.get().settled_at is not None


def test_a_result_is_what_it_was_when_the_handler_returned_it() -> None:
    tally: dict[str, int] = {}

    def count(record: Given, context: Context) -> dict[str, int]:
        tally[record.key] = len(tally)
        return tally

    registry.add(Handler("handling.count", "Count", count, "outside", None))
    processor = define("count")
    fill_inbox(processor, numbered(3))

    run_here(processor)
    del registry._handlers["handling.count"]

    results = Record.objects.order_by("id").values_list("result", flat=True)
    assert [len(result) for result in results] == [1, 2, 3]


@pytest.mark.parametrize(
    ("word", "counter", "state"),
    [
        ("skip", "skipped", RecordState.SKIPPED),
        ("reject", "dead", RecordState.DEAD),
        ("nan", "dead", RecordState.DEAD),
        ("log", "done", RecordState.DONE),
    ],
)
def test_an_outcome_that_is_no_plain_success_is_told_of(
    word: str, counter: str, state: RecordState
) -> None:
    processor = define("obey")
    fill_inbox(processor, {"a": {"do": word}})

    run = run_here(processor)

    assert counters(run) == {"claimed": 1, counter: 1}
    assert Record.objects.get().state == state
    assert only_attempt().outcome == ("skipped" if counter == "skipped" else counter)


def test_what_a_handler_logs_appears_with_its_attempt() -> None:
    processor = define("obey")
    fill_inbox(processor, {"a": {"do": "log"}})

    run_here(processor)

    assert only_attempt().log == ["a line", "progress: 1 of 2"]


def test_an_exception_is_retried_later_and_dead_after_the_last_attempt() -> None:
    processor = define("obey", max_attempts=2, backoff={"base_seconds": 0, "cap_seconds": 1})
    fill_inbox(processor, {"a": {"do": "raise"}})

    run_here(processor)
    run = Run.objects.latest("id")

    assert counters(run) == {"claimed": 2, "retried": 1, "dead": 1}
    assert list(Attempt.objects.order_by("id").values_list("outcome", "number")) == [
        ("retry", 1),
        ("dead", 2),
    ]
    attempt = Attempt.objects.latest("id")
    assert attempt.error_type == "KeyError"
    assert "colour" in attempt.message
    assert "handlers.py" in attempt.traceback
    assert attempt.fingerprint


def test_a_row_that_the_database_refuses_is_the_records_failure_and_leaves_nothing() -> None:
    processor = define("colliding", backoff=LATER)
    fill_inbox(processor, numbered(2))

    run = run_here(processor)

    assert counters(run) == {"claimed": 2, "retried": 2}
    assert {attempt.error_type for attempt in Attempt.objects.all()} == {
        "django.db.utils.IntegrityError"
    }
    assert not Effect.objects.exists()


def test_a_cycle_does_not_wait_for_a_record_that_waits() -> None:
    processor = define("obey", backoff=LATER)
    fill_inbox(processor, {"a": {"do": "raise"}, "b": {}})

    run = run_here(processor)

    assert counters(run) == {"claimed": 2, "done": 1, "retried": 1}
    waiting = Record.objects.get(state=RecordState.READY)
    assert waiting.attempts == 1
    assert 450 < (waiting.available_at - waiting.created_at).total_seconds() < 750


def test_the_attempt_number_counts_up() -> None:
    processor = define("third_time")
    fill_inbox(processor, {"a": {}})

    run = run_here(processor)

    assert counters(run) == {"claimed": 3, "retried": 2, "done": 1}
    assert Record.objects.get().result == 3


def test_a_bad_record_among_good_ones_fails_alone() -> None:
    processor = define("obey")
    fill_inbox(processor, numbered(50) | {"bad": {"do": "reject"}})

    run = run_here(processor)

    assert counters(run) == {"claimed": 51, "done": 50, "dead": 1}


def test_what_a_handler_publishes_arrives_with_its_success() -> None:
    define("echo", slug="next", name="Next")
    processor = define("obey")
    fill_inbox(processor, {"a": {"do": "publish", "to": "next"}})

    run_here(processor)

    arrived = Record.objects.get(processor__slug="next")
    assert arrived.payload == {"from": "a"}


def test_publishing_to_nobody_is_the_records_failure() -> None:
    processor = define("obey", max_attempts=1)
    fill_inbox(processor, {"a": {"do": "publish", "to": "nobody"}})

    run = run_here(processor)

    assert counters(run) == {"claimed": 1, "dead": 1}
    assert "nobody" in only_attempt().message


def test_a_batch_handler_answers_for_each_record() -> None:
    processor = define("together")
    fill_inbox(processor, numbered(30))

    run = run_here(processor)

    assert counters(run) == {"claimed": 30, "done": 30}


def test_one_bad_record_of_a_batch_handler_is_found_and_blamed_alone() -> None:
    processor = define("together", max_attempts=3, backoff={"base_seconds": 0, "cap_seconds": 1})
    fill_inbox(processor, numbered(30) | {"bad": {"poison": True}})

    run_here(processor)

    dead = Record.objects.filter(state=RecordState.DEAD)
    assert list(dead.values_list("key", flat=True)) == ["bad"]
    assert Record.objects.filter(state=RecordState.DONE).count() == 30


def test_effects_of_a_failed_record_in_the_database_are_undone() -> None:
    processor = define("effect", max_attempts=1)
    fill_inbox(processor, {"a": {}})

    run = run_here(processor)

    assert counters(run) == {"claimed": 1, "done": 1}
    assert Effect.objects.count() == 1


@pytest.mark.parametrize("how", ["close", "COMMIT", "ROLLBACK", "swallow", "behind"])
def test_a_handler_that_breaks_its_transaction_fails_alone_and_is_told_so(how: str) -> None:
    processor = define("breaking")
    fill_inbox(processor, numbered(5) | {"bad": {"how": how}})

    run_here(processor)

    assert not Effect.objects.exists()
    assert "broke the transaction" in Record.objects.get(key="bad").last_error
    assert list(Record.objects.filter(state=RecordState.DEAD).values_list("key", flat=True)) == [
        "bad"
    ]
    assert Record.objects.filter(state=RecordState.DONE).count() == 5
    assert Record.objects.count() == 6, "what the bad one published"


def test_a_record_whose_receiver_is_deleted_meanwhile_fails_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    receiver = define("echo", slug="receiver", name="Receiver")
    processor = define("obey")
    fill_inbox(processor, numbered(2) | {"bad": {"do": "publish", "to": "receiver"}})
    prepare = publishing.prepare

    def prepare_and_delete(target: str, payload: Any, key: str) -> Any:
        prepared = prepare(target, payload, key)
        receiver.delete()
        return prepared

    monkeypatch.setattr(publishing, "prepare", prepare_and_delete)
    run_here(processor)

    bad = Record.objects.get(key="bad")
    assert (bad.state, bad.error_type) == (RecordState.DEAD, "UnknownTarget")
    assert "What it published was not stored: No processor" in bad.last_error
    assert Record.objects.filter(state=RecordState.DONE).count() == 2


def test_every_move_of_a_run_has_its_event() -> None:
    processor = define("echo")

    run_here(processor)

    moves = Event.objects.filter(subject="run").order_by("id")
    assert list(moves.values_list("from_state", "to_state")) == [
        ("", "running"),
        ("running", "finished"),
    ]


def test_an_unrepeatable_record_that_failed_waits_for_a_person() -> None:
    processor = define("unsure")
    fill_inbox(processor, {"a": {}, "b": {"say": "retry"}})

    run = run_here(processor)

    assert counters(run) == {"claimed": 2, "parked": 1, "retried": 1}
    assert Record.objects.get(key="a").state == RecordState.PARKED


def test_a_handler_is_told_that_a_retried_record_may_have_been_seen() -> None:
    processor = define("seen_before")
    fill_inbox(processor, {"a": {}})
    run_here(processor)
    first = Record.objects.get()

    dead_letters.retry(processor.pk, act(), Selection())
    run_here(processor)

    assert first.state == RecordState.DEAD
    assert Record.objects.get().state == RecordState.DONE
    assert Record.objects.get().result == {"seen": True, "attempt": 1}


def test_a_batch_handler_is_given_the_whole_batch() -> None:
    processor = define("together", batch_size=20)
    fill_inbox(processor, numbered(20))

    run_here(processor)

    assert Record.objects.first().result == {"of": 20}  # type: ignore[union-attr]
