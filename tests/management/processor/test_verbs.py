"""`manage.py processor start`, `stop`, `run` and the others: what they do and say."""

from datetime import timedelta
from typing import Any

import pytest

from processors.clock import database_now
from processors.models import Batch, Event, Processor, Run
from tests.factories import make_claimed, make_processor, make_record, make_run
from tests.management.conftest import Call, CallJson, Refuse
from tests.management.processor.conftest import RUN_FIELDS
from tests.stories import define

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


def test_limits_are_shown_and_changed_one_by_one(call: Call, call_json: CallJson) -> None:
    make_processor("orders", batch_size=500, rate_limits=["9/s"])

    said = call("processor", "limits", "orders", "--batch-size", "50", "--reason", "slow")

    assert said == "batch size: 500 → 50"
    limits = call_json("processor", "limits", "orders")
    assert (limits["batch_size"], limits["rate_limits"]) == (50, ["9/s"])
    assert Event.objects.get(action="limits").reason == "batch size: 500 → 50: slow"
    call("processor", "limits", "orders", "--rate-limits")
    assert "rate_limits: []" in call("processor", "limits", "orders")


def test_a_bad_limit_is_refused_in_a_sentence(refuse: Refuse) -> None:
    make_processor("orders", trigger_kind="manual")

    assert "whole number from 1 to 1000" in refuse(
        "processor", "limits", "orders", "--batch-size", "0"
    )
    assert "no pause" in refuse("processor", "limits", "orders", "--pause-seconds", "5")


def test_verbs_change_the_state_and_say_so(call: Call) -> None:
    make_processor("orders")
    states = []
    for verb in ("start", "pause", "resume", "stop"):
        assert "Orders" in call("processor", verb, "orders", "--reason", "because")
        states.append(Processor.objects.get().state)

    assert states == ["started", "paused", "started", "stopped"]
    assert set(Event.objects.values_list("reason", flat=True)) == {"because"}


def test_a_refused_verb_says_why(refuse: Refuse) -> None:
    make_processor("orders")

    assert "stopped already" in refuse("processor", "stop", "orders")


def test_run_says_which_run_has_begun(call: Call, call_json: CallJson) -> None:
    make_processor("orders")
    make_processor("other")

    assert call("processor", "run", "orders") == "Run 1 of Orders has begun."
    assert set(call_json("processor", "run", "other")) == RUN_FIELDS


def test_run_takes_other_options_for_this_run_alone(call: Call) -> None:
    processor = define("show_options", slug="orders", name="Orders", options={"word": "usual"})

    told = call("processor", "run", "orders", "--option", "word=env:A=B", "--reason", "A trial")

    assert told == "Run 1 of Orders has begun with other options: word: usual → env:A=B."
    assert Run.objects.get().config["options"] == {"word": "env:A=B"}
    processor.refresh_from_db()
    assert processor.options == {"word": "usual"}


@pytest.mark.parametrize(
    ("typed", "options"),
    [
        (["seconds=0.5"], {"seconds": 0.5}), (['seconds="0.5"'], {"seconds": "0.5"}),
        (["seconds=null"], {"seconds": 0.0}), (["seconds=env:PACE"], {"seconds": "env:PACE"}),
    ],
)  # fmt: skip
def test_the_value_of_an_option_is_json_or_else_a_text(
    call: Call, typed: list[str], options: dict[str, Any]
) -> None:
    define("outside", slug="orders", options={"seconds": 3})

    call("processor", "run", "orders", "--option", *typed)

    assert options.items() <= Run.objects.get().config["options"].items()


@pytest.mark.parametrize(
    ("typed", "code", "sentence"),
    [
        (["word"], 1, "give NAME=VALUE, not 'word'"), (["=x"], 1, "give NAME=VALUE"),
        (["word=a", "word=b"], 2, "--option word comes twice."),
        (["wrod=a"], 1, "did you mean 'word'"), (["word=[1]"], 1, "must be a text"),
        (["word=a\x00"], 1, "U+0000"),
    ],
)  # fmt: skip
def test_options_that_mean_nothing_begin_nothing(
    refuse: Refuse, typed: list[str], code: int, sentence: str
) -> None:
    define("show_options", slug="orders")
    given = [word for each in typed for word in ("--option", each)]

    assert sentence in refuse("processor", "run", "orders", *given, code=code)
    assert not Run.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_run_and_wait_ends_a_run_without_any_worker_when_nothing_waits(
    call_json: CallJson,
) -> None:
    make_processor("orders")

    found = call_json("processor", "run", "orders", "--wait", "--timeout", "30")

    assert (found["state"], found["claimed"]) == ("finished", 0)


@pytest.mark.django_db(transaction=True)
def test_waiting_gives_up_after_the_time_allowed(refuse: Refuse) -> None:
    make_record(make_processor("orders"))

    said = refuse("processor", "run", "orders", "--wait", "--timeout", "0.3", code=124)

    assert "time to wait is up" in said
    assert Run.objects.get().state == "running"


@pytest.mark.django_db(transaction=True)
def test_stop_and_wait_ends_the_run(call_json: CallJson) -> None:
    processor = make_processor("orders")
    make_record(processor)
    make_run(processor)

    found = call_json("processor", "stop", "orders", "--wait")

    assert (found["state"], found["current_run"]) == ("stopped", None)


@pytest.mark.django_db(transaction=True)
def test_start_and_wait_returns_when_nothing_is_to_be_done(call: Call) -> None:
    make_processor("orders", trigger_kind="arrival")

    said = call("processor", "start", "orders", "--wait", "--timeout", "30")

    assert said.splitlines()[-1] == "Nothing was waiting."


@pytest.mark.django_db(transaction=True)
def test_start_and_wait_of_what_waits_for_its_time_says_so(call: Call) -> None:
    soon = database_now() + timedelta(hours=2, seconds=30)
    times = {"trigger_kind": "cron", "cron": "0 3 * * *", "next_due_at": soon}
    make_record(make_processor("orders", state="started", **times))

    said = call("processor", "start", "orders", "--wait")

    assert said.splitlines() == ["Orders is started already.", "Next cycle in 2 h."]


def test_force_stop_wants_a_yes(refuse: Refuse, call: Call) -> None:
    make_claimed(make_run(make_processor("orders")))

    assert "add --yes" in refuse("processor", "force-stop", "orders")
    assert Batch.objects.get().state == "leased"


@pytest.mark.django_db(transaction=True)
def test_force_stop_takes_the_records_back(call: Call) -> None:
    make_claimed(make_run(make_processor("orders")))

    call("processor", "force-stop", "orders", "--yes")

    assert Batch.objects.get().close_reason == "forced"
    assert Run.objects.get().state == "stopped"


def test_a_fault_is_cleared(call: Call, refuse: Refuse) -> None:
    make_processor("orders", fault_reason="The table is gone.")

    call("processor", "clear-fault", "orders")

    assert Processor.objects.get().fault_reason == ""
    assert "no fault" in refuse("processor", "clear-fault", "orders")
