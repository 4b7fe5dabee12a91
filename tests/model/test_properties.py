"""Parts without time or company, for whatever Hypothesis makes up."""

import json
import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from processors import publish
from processors.clock import database_now
from processors.handlers.outcomes import Outcome
from processors.models import Actor, Event, Processor, Record, Run
from processors.models.door import Move, StateConflict
from processors.schedules import next_slots
from processors.screening import PublishingError
from processors.sources.fingerprints import fingerprint, normalised
from processors.sources.introspection import (
    UnusableName,
    columns,
    quoted_name,
    quoted_table,
    tables,
)
from processors.sources.statements import Statements
from processors.sources.trial import scrubbed
from processors.states import (
    PROCESSOR_MOVES,
    RECORD_MOVES,
    RUN_ENDED,
    RUN_MOVES,
    ProcessorState,
    RecordState,
    RunState,
)
from tests.factories import make_processor, make_record, make_run
from tests.test_schedule_nights import EXPRESSIONS, oracle, walk

IN_DATABASE = settings(
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)

# Schedules: the nights of change have a test of their own; these are all other days as well.

ZONES = [
    *("UTC", "Europe/Berlin", "Europe/London", "Europe/Lisbon", "Europe/Moscow"),
    *("America/New_York", "America/Los_Angeles", "America/St_Johns", "America/Sao_Paulo"),
    *("America/Santiago", "Africa/Cairo", "Africa/Casablanca", "Asia/Kolkata", "Asia/Kathmandu"),
    *("Asia/Tehran", "Asia/Gaza", "Australia/Lord_Howe", "Australia/Adelaide", "Pacific/Chatham"),
    "Pacific/Kiritimati",
]


@settings(max_examples=80)
@given(
    EXPRESSIONS,
    st.sampled_from(ZONES),
    st.dates(date(2025, 1, 1), date(2027, 12, 31)),
    st.integers(0, 60 * 60 * 60),
)
def test_slots_of_any_day_equal_those_of_a_walk_through_every_minute(
    expression: str, zone: str, day: date, second: int
) -> None:
    minutes = walk(zone, day)
    after = minutes[0][0] + timedelta(seconds=second)
    expected = [slot for slot in oracle(expression, zone, day) if slot > after][:5]

    slots = next_slots(expression, zone, after, max(1, len(expected)))

    assert (slots == expected) if expected else slots[0] > minutes[-1][0]


# Errors

MESSAGES = st.text(alphabet="ab1é_ '\"«».,-#…\n", max_size=60) | st.text(max_size=700)


@given(MESSAGES)
def test_a_message_that_is_normalised_stays_as_it_is(message: str) -> None:
    once = normalised(message)

    assert normalised(once) == once


@given(MESSAGES, st.integers(0, 10**12), st.integers(0, 10**12))
def test_numbers_make_no_other_kind_of_error(words: str, one: int, other: int) -> None:
    kinds = {
        fingerprint(Outcome("dead", error_type="E", message=f"row {number} {words}"))
        for number in (one, other)
    }

    assert len(kinds) == 1


def test_a_message_that_is_one_quoted_word_keeps_it() -> None:
    assert normalised("'shelf'") == "'shelf'"
    assert normalised("'INV-2399'") == normalised("'two words'") == "…"


@given(st.text("abcXYZ019-_.", min_size=1, max_size=20))
def test_no_planted_secret_survives_the_scrubber(secret: str) -> None:
    said = f"cannot connect to postgres://anna:{secret}q@db:5432/x password={secret}q user=anna"

    scrubbed_once = scrubbed(Exception(said))

    assert f"{secret}q" not in scrubbed_once
    assert scrubbed(Exception(scrubbed_once)) == scrubbed_once


# Names

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@IN_DATABASE
@given(NAMES, NAMES)
def test_a_name_comes_back_from_the_catalogue_as_it_was_quoted(
    db: None, table: str, column: str
) -> None:
    table = f"t {table}".replace(".", "_")  # a dot divides schema and table
    try:
        quoted, name = quoted_table("default", table), quoted_name("default", column)
    except UnusableName:
        assert any(c in '"%' or c < " " for c in table + column)
        return
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {quoted} ({name} integer, other_{len(column)}x integer)")
    try:
        assert table in tables("default")
        assert columns("default", table)[0].name == column
        source = {"database": "default", "table": table, "key": column, "status": column}
        statements = Statements({**source, "words": {"new": "1"}, "payload": []})
        assert f"SELECT {statements.key}".count(name) == 1
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE {quoted}")


# Payloads

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**998, 10**1002)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["\x00", "a\x00b", "\ud800", "\\u0000", "é", "𝄞", "\u2028"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


DEEP = st.integers(45, 60).map(nested)
PAYLOADS = st.dictionaries(st.text(max_size=8), VALUES | DEEP, max_size=4) | VALUES


@settings(IN_DATABASE, max_examples=150)
@given(PAYLOADS)
def test_a_payload_is_kept_as_it_was_or_refused_in_words(db: None, payload: Any) -> None:
    processor = Processor.objects.first() or make_processor("story")
    if not is_stored("k", payload):
        return

    kept = Record.objects.get(processor=processor).payload

    assert same(kept, json.loads(json.dumps(payload)))
    assert publish("story", [{"key": "k", "payload": payload}]).known == 1


def is_stored(key: Any, payload: Any) -> bool:
    """Whether the inbox, emptied before, takes it; a refusal is a sentence and stores nothing."""
    Record.objects.all().delete()
    said = ""
    try:
        publish("story", [{"key": key, "payload": payload}])
    except PublishingError as refused:
        said = str(refused)
    assert Record.objects.count() == (not said)
    assert not said or said.endswith(".")
    return not said


def same(one: Any, other: Any) -> bool:
    """Equal as JSON; a number may come back as another kind of the same number."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) or isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-15, abs_tol=0.0) or one == other
    return bool(one == other) and type(one) is type(other)


@IN_DATABASE
@given(st.text(max_size=210))
def test_a_key_is_kept_as_it_was_or_refused_in_words(db: None, key: str) -> None:
    Processor.objects.first() or make_processor("story")
    assert not is_stored(key, {}) or Record.objects.get().key == key


# States

HOW = Move(Actor("test"), datetime(2026, 1, 1, tzinfo=UTC))
PROCESSOR_DOORS = ("start", "stop", "pause", "resume")
RUN_DOORS = ("request_pause", "become_paused", "resume", "request_stop", "finish", "stop")
RECORD_DOORS = ("retry", "discard")


def knock(instance: Any, door: str, moves: Any) -> None:
    """Through a door, or not: either way only as the table of moves allows."""
    before = instance.state
    events = Event.objects.count()
    try:
        if door in ("finish", "stop") and isinstance(instance, Run):
            state = RunState.FINISHED if door == "finish" else RunState.STOPPED
            instance.end(state, HOW, instance.counters)
        else:
            getattr(instance, door)(HOW)
    except StateConflict:
        instance.refresh_from_db()
        assert instance.state == before
        assert Event.objects.count() == events
        return
    instance.refresh_from_db()
    assert instance.state in moves[before]
    assert Event.objects.count() == events + 1


@IN_DATABASE
@given(st.lists(st.sampled_from(PROCESSOR_DOORS), max_size=8))
def test_a_processor_moves_along_its_drawing(db: None, doors: list[str]) -> None:
    processor = make_processor()
    for door in doors:
        knock(processor, door, PROCESSOR_MOVES)
        assert processor.state in ProcessorState.values


@IN_DATABASE
@given(st.lists(st.sampled_from(RUN_DOORS), max_size=8))
def test_a_run_moves_along_its_drawing(db: None, doors: list[str]) -> None:
    run = make_run()
    for door in doors:
        knock(run, door, RUN_MOVES)
        assert run.has_ended == (run.state in RUN_ENDED)


@IN_DATABASE
@given(st.sampled_from(RecordState.values), st.lists(st.sampled_from(RECORD_DOORS), max_size=4))
def test_a_record_moves_along_its_drawing(db: None, state: str, doors: list[str]) -> None:
    run = make_run()
    record = make_record(run.processor, state=RecordState.READY)
    if state != RecordState.CLAIMED:
        Record.objects.filter(pk=record.pk).update(state=state, settled_at=database_now())
    record.refresh_from_db()
    for door in doors:
        knock(record, door, RECORD_MOVES)


@pytest.mark.parametrize("moves", [PROCESSOR_MOVES, RUN_MOVES, RECORD_MOVES])
def test_every_state_can_be_left_or_is_final(moves: Any) -> None:
    reached = {to for targets in moves.values() for to in targets}

    assert reached <= set(moves)
