# ruff: noqa: RUF001 - messages have an en dash; full-width digits are what is refused

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.cron import InvalidSchedule, describe
from processors.schedules import (
    check_cron,
    check_pause,
    check_zone,
    missed_slots,
    next_slot,
    next_slots,
)
from tests import bootstrap

pytestmark = bootstrap.once("a clock asks no database")

FIVE_FIELDS = (
    "Use five fields: minute hour day month weekday. “30 6 * * 1-5” is 06:30 from Monday to Friday."
)
PAUSE_RANGE = "A whole number of seconds from 1 to 31622400 (366 days)."
MINUTE = timedelta(minutes=1)
NOW = datetime(2026, 11, 21, 9, tzinfo=UTC)


def at(text: str, zone: str = "UTC", fold: int = 0) -> datetime:
    """The UTC instant at which the zone's clock reads so."""
    local = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)
    return local.astimezone(UTC)


def local_readings(slots: list[datetime], zone: str) -> list[str]:
    return [slot.astimezone(ZoneInfo(zone)).strftime("%d %H:%M %z") for slot in slots]


def refusal(check: Callable[[], object]) -> str:
    with pytest.raises(InvalidSchedule) as caught:
        check()
    return str(caught.value)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        # B78: fields out of range, named
        ("61 * * * *", "Minute must be 0–59, got 61."),
        ("0 24 * * *", "Hour must be 0–23, got 24."),
        ("0 0 1-40 * *", "Day must be 1–31, got 40."),
        ("0 0 0 * *", "Day must be 1–31, got 0."),
        ("0 0 * 13 *", "Month must be 1–12 or JAN–DEC, got 13."),
        ("0 0 * * 8", "Weekday must be 0–7 or SUN–SAT, got 8."),
        ("*/0 * * * *", "Minute step must be 1–59, got 0."),
        ("*/60 * * * *", "Minute step must be 1–59, got 60."),
        ("H * * * *", f"Minute must be 0–59, got H. {FIVE_FIELDS}"),
        ("１ * * * *", f"Minute must be 0–59, got １. {FIVE_FIELDS}"),
        ("-5 * * * *", f"Minute must be 0–59, got -5. {FIVE_FIELDS}"),
        ("1,,2 * * * *", f"Minute must be 0–59, got nothing. {FIVE_FIELDS}"),
        ("* * * foo *", f"Month must be 1–12 or JAN–DEC, got FOO. {FIVE_FIELDS}"),
        ("5/10 * * * *", "Minute 5/10 needs a range before the step, e.g. 5-59/10."),
        ("0 22-6 * * *", "Hour range 22-6 runs backwards; write it as two ranges with a comma."),
        # B79: other dialects, all accepted by croniter
        ("", FIVE_FIELDS),
        ("* * * *", FIVE_FIELDS),
        ("* * * * * *", FIVE_FIELDS),
        ("0 0 1 1 * 0 2099", FIVE_FIELDS),
        ("@daily", FIVE_FIELDS),
        ("@reboot", FIVE_FIELDS),
        ("?", FIVE_FIELDS),
        ("0 0 ? * 1", f"Day must be 1–31, got ?. {FIVE_FIELDS}"),
        ("R * * * *", f"Minute must be 0–59, got R. {FIVE_FIELDS}"),
        ("0 0 L * *", f"Day must be 1–31, got L. {FIVE_FIELDS}"),
        ("0 0 15W * *", f"Day must be 1–31, got 15W. {FIVE_FIELDS}"),
        ("0 0 * * 5#2", f"Weekday must be 0–7 or SUN–SAT, got 5#2. {FIVE_FIELDS}"),
        # B80: dates that never come
        ("0 0 30 2 *", "This never happens: there is no 30 February."),
        ("0 0 31 4 *", "This never happens: there is no 31 April."),
        ("0 0 30,31 FEB *", "This never happens: there is no 30 February."),
        ("0 0 31 4,6,9,11 *", "This never happens: there is no 31 April."),
        ("9" * 300, "Write it in at most 200 characters."),
    ],
)
def test_a_bad_expression_is_refused_with_the_field_at_fault(expression: str, message: str) -> None:
    assert refusal(lambda: check_cron(expression)) == message


@pytest.mark.parametrize(
    ("expression", "normalised"),
    [
        ("  30\t2 * *  * ", "30 2 * * *"),
        ("0 9 * jan-mar mon,fri", "0 9 * JAN-MAR MON,FRI"),
        ("0 0 29 2 *", "0 0 29 2 *"),
        ("0 0 30,29 2 *", "0 0 30,29 2 *"),
        ("0 0 30 2 MON", "0 0 30 2 MON"),  # every Monday of February
        ("0 0 31 4,5 *", "0 0 31 4,5 *"),
    ],
)
def test_a_good_expression_comes_back_tidied(expression: str, normalised: str) -> None:
    assert check_cron(expression, "Europe/Berlin") == normalised


def test_a_bad_zone_is_refused_with_the_expression() -> None:
    assert "Unknown zone 'CET'" in refusal(lambda: check_cron("0 0 * * *", "CET"))


@pytest.mark.parametrize(
    "zone", ["UTC", "Europe/Berlin", "America/Argentina/Ushuaia", "Asia/Calcutta"]
)
def test_a_place_is_a_zone(zone: str) -> None:
    assert check_zone(zone) == zone


@pytest.mark.parametrize(
    "zone",
    [
        *("CET", "EST5EDT", "GMT+5", "GMT", "Etc/GMT+5", "Etc/UTC", "US/Pacific"),
        *("US/Pacific-New", "", "localtime", "Mars/Olympus", "../etc/passwd"),
    ],
)
def test_a_zone_without_a_place_is_refused(zone: str) -> None:
    expected = f"Unknown zone '{zone}'. Choose a place, e.g. Europe/Berlin, or UTC."

    assert refusal(lambda: check_zone(zone)) == expected


@pytest.mark.parametrize(
    ("zone", "meant"),
    [
        ("Europe/Berln", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("America/New York", "America/New_York"),
        ("utc", "UTC"),
    ],
)
def test_a_misspelt_zone_is_refused_with_the_likely_one(zone: str, meant: str) -> None:
    expected = f"Unknown zone '{zone}' (did you mean {meant}?)."

    assert refusal(lambda: check_zone(zone)) == expected


@pytest.mark.parametrize(
    ("seconds", "whole"), [(1, 1), (5, 5), ("15", 15), (31_622_400, 31_622_400)]
)
def test_a_pause_is_a_whole_number_of_seconds(seconds: object, whole: int) -> None:
    assert check_pause(seconds) == whole


@pytest.mark.parametrize(
    "seconds",
    [0, -5, 0.1, 5.0, 31_622_401, 10**9, "5m", "-5", "1_0", "", "１５", True, None, [5]],
)
def test_any_other_pause_is_refused_with_the_range(seconds: object) -> None:
    assert refusal(lambda: check_pause(seconds)) == PAUSE_RANGE


def test_a_daily_time_in_the_gap_runs_once_at_its_end() -> None:
    slots = next_slots("30 2 * * *", "Europe/Berlin", at("2027-03-27T12:00"), 2)

    assert local_readings(slots, "Europe/Berlin") == ["28 03:00 +0200", "29 02:30 +0200"]


def test_a_daily_time_that_comes_twice_runs_on_the_first() -> None:
    slots = next_slots("30 2 * * *", "Europe/Berlin", at("2026-10-24T12:00"), 2)

    assert local_readings(slots, "Europe/Berlin") == ["25 02:30 +0200", "26 02:30 +0100"]


def test_several_times_in_one_gap_run_once_together() -> None:
    slots = next_slots("*/20 2,3 * * *", "Europe/Berlin", at("2027-03-27T12:00"), 4)

    assert [reading[3:8] for reading in local_readings(slots, "Europe/Berlin")] == [
        *("03:00", "03:20", "03:40"),
        "02:00",
    ]


def test_half_an_hour_of_summer_time_has_a_gap_of_half_an_hour() -> None:
    slots = next_slots("15 2 * * *", "Australia/Lord_Howe", at("2026-10-03T00:00"), 2)

    assert local_readings(slots, "Australia/Lord_Howe") == ["04 02:30 +1100", "05 02:15 +1100"]


def test_midnight_that_does_not_exist_runs_at_one() -> None:
    slots = next_slots("0 */6 * * *", "Africa/Cairo", at("2027-04-29T18:00", "Africa/Cairo"), 2)

    assert local_readings(slots, "Africa/Cairo") == ["30 01:00 +0300", "30 06:00 +0300"]


def test_a_date_that_an_island_skipped_runs_when_the_next_begins() -> None:
    slots = next_slots("0 9 30 12 *", "Pacific/Apia", at("2011-12-01T00:00"), 1)

    assert local_readings(slots, "Pacific/Apia") == ["31 00:00 +1400"]


@pytest.mark.parametrize("night", ["2027-03-28T00:00", "2026-10-25T00:00"])
@pytest.mark.parametrize(("expression", "minutes"), [("*/10 * * * *", 10), ("7 * * * *", 60)])
def test_a_sub_daily_pattern_keeps_its_spacing_through_the_night(
    night: str, expression: str, minutes: int
) -> None:
    slots = next_slots(expression, "Europe/Berlin", at(night, "Europe/Berlin"), 30)

    gaps = {later - slot for slot, later in pairwise(slots)}
    assert gaps == {minutes * MINUTE}


def test_the_second_pass_of_an_hour_does_not_repeat_a_time_of_day() -> None:
    second_two_o_clock = at("2026-10-25T02:00", "Europe/Berlin", fold=1)

    slot = next_slot("30 2 * * *", "Europe/Berlin", second_two_o_clock)

    assert slot == at("2026-10-26T02:30", "Europe/Berlin")


def test_day_or_weekday_is_enough_when_both_are_given() -> None:
    slots = next_slots("0 0 13 * 5", "UTC", at("2026-10-01T00:00"), 5)

    assert [slot.day for slot in slots] == [2, 9, 13, 16, 23]


def test_a_week_may_end_with_a_sunday() -> None:
    slots = next_slots("0 0 * * FRI-SUN", "UTC", at("2026-10-01T00:00"), 4)

    assert [slot.day for slot in slots] == [2, 3, 4, 9]


@pytest.mark.parametrize(
    ("after", "year"), [("2026-11-21T09:00", 2028), ("2097-01-01T00:00", 2104)]
)
def test_the_29th_of_february_is_waited_for(after: str, year: int) -> None:
    assert next_slot("0 0 29 2 *", "UTC", at(after)) == datetime(year, 2, 29, tzinfo=UTC)


def test_a_slot_is_later_than_the_instant_of_the_last_one() -> None:
    slot = at("2026-11-21T09:00")

    assert next_slot("0 9 * * *", "UTC", slot) == slot + timedelta(days=1)
    assert next_slot("0 9 * * *", "UTC", slot - timedelta(microseconds=1)) == slot


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="needs an aware time"):
        next_slot("0 9 * * *", "UTC", datetime(2026, 1, 1))  # noqa: DTZ001


def test_missed_slots_are_counted_without_the_first_and_with_the_last_instant() -> None:
    nine, noon = at("2026-11-21T09:00"), at("2026-11-21T12:00")

    assert missed_slots("0 * * * *", "UTC", nine, noon) == 3
    assert missed_slots("0 * * * *", "UTC", noon, noon) == 0
    assert missed_slots("0 * * * *", "UTC", noon, nine) == 0


def test_counting_missed_slots_ends_at_the_limit() -> None:
    since, until = at("2000-01-01T00:00"), at("2026-01-01T00:00")

    assert missed_slots("* * * * *", "UTC", since, until, limit=10) == 10


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("30 2 * * *", "At 02:30"),
        ("*/5 * * * *", "Every 5 minutes"),
        ("0 14 * * fri-sun", "At 14:00, Friday through Sunday"),
        ("0 0 13 * 5", "At 00:00, on day 13 of the month, or on Friday"),
        ("* * * * *,1", "* * * * *,1"),  # no words for it
    ],
)
def test_a_pattern_is_said_in_words(expression: str, words: str) -> None:
    assert describe(expression) == words


def test_words_for_a_bad_pattern_are_its_fault() -> None:
    assert refusal(lambda: describe("61 * * * *")) == "Minute must be 0–59, got 61."


def is_refused_in_words(expression: str) -> bool:
    try:
        check_cron(expression)
    except InvalidSchedule as refused:
        return str(refused).endswith(".")
    return False


@settings(max_examples=300)
@given(st.text(alphabet="0123456789*/,-@?#LWRHJANMON \t\x00１", max_size=25))
def test_whatever_is_typed_is_refused_in_words(text: str) -> None:
    assert is_refused_in_words(text) or describe(text)


VALUES = st.one_of(
    st.just("*"),
    st.integers(0, 70).map(str),
    st.tuples(st.integers(0, 70), st.integers(0, 70)).map("{0[0]}-{0[1]}".format),
    st.tuples(st.integers(0, 30), st.integers(0, 70), st.integers(0, 70)).map(
        "{0[0]}-{0[1]}/{0[2]}".format
    ),
    st.integers(0, 70).map("*/{}".format),
    st.sampled_from(["JAN", "mon-fri", "FRI-SUN", "sun", "L", "1W", "?"]),
)


@settings(max_examples=300)
@given(st.lists(st.lists(VALUES, min_size=1, max_size=2).map(",".join), min_size=5, max_size=5))
def test_five_fields_are_refused_in_words_or_have_a_next_slot(fields: list[str]) -> None:
    expression = " ".join(fields)
    if is_refused_in_words(expression):
        return

    assert check_cron(check_cron(expression)) == expression.upper()
    assert describe(expression)
    assert next_slot(expression, "UTC", NOW) > NOW
