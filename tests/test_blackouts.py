"""Times at which a processor takes no records."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from processors import control, cycle, maintenance
from processors.blackouts import Blackout, InvalidBlackout, closed_by, closes_at
from processors.clock import database_now
from processors.cycle import stretches
from processors.definitions import InvalidDefinition, clean, dump
from processors.explain import why
from processors.handlers import Context, Handler, Record, registry
from processors.models import Batch, Processor, Run
from processors.protocol import claiming
from processors.protocol.leases import Lease
from processors.states import CloseReason, RunState
from tests.stories import act, counters, define, fill_inbox, numbered, run_here

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
EVER = ["2000-01-01..2099-12-31"]


def at(hours: float) -> datetime:
    """So many hours after the beginning of a Monday."""
    return MONDAY + timedelta(hours=hours)


@pytest.mark.parametrize(
    ("text", "on", "off"),
    [
        ("Mon-Fri 08:00-10:00", [8, 9.99], [7.99, 10, 5 * 24 + 9]),
        ("Sat,Sun", [5 * 24, 6 * 24 + 23], [0, 5 * 24 - 0.01]),
        ("Fri-Mon 00:00-24:00", [0, 4 * 24, 6 * 24], [24, 3 * 24]),
        ("daily 22:00-06:00", [5.99, 22, 29], [6, 21.99]),
        ("22:00-06:00", [23], [12]),
        ("11-23", [0, 23.9], [-0.1, 24]),
        ("11-22..11-24", [-24, 0, 47.9], [-24.1, 48]),
        ("11-24..11-22", [-0.1, 24], [0, 23.9]),
        ("2026-11-23 12:00-13:00", [12.5], [11, 36.5]),
        ("2026-11-20..2026-11-24", [0, 47.9], [48]),
        ("Mon 08:00-10:00 Europe/Berlin", [7, 8.9], [9, 9.5]),
    ],
)
def test_a_blackout_is_on_when_it_says(text: str, on: list[float], off: list[float]) -> None:
    blackout = Blackout.parse(text)

    assert all(blackout.at(at(hours)) for hours in on)
    assert not any(blackout.at(at(hours)) for hours in off)


@pytest.mark.parametrize(
    "text",
    ["", "sometimes", "Mon 8-10", "Mon 25:00-26:00", "13-01", "02-30", "2026-02-30", "Mon-",
     "a b c", "2026-12-24..2026-12-01", "12-24..01-32", "12-24..", "Mon 08:00-10:00 Europe/Berln"],
)  # fmt: skip
def test_what_is_no_blackout_is_refused(text: str) -> None:
    with pytest.raises(InvalidBlackout, match=r"Mon-Fri 08:00|unknown time zone"):
        Blackout.parse(text)


def test_blackouts_that_adjoin_end_with_the_last() -> None:
    lines = [Blackout.parse(text) for text in ("daily 22:00-24:00", "daily 00:00-06:00")]

    found = closed_by(lines, at(23))

    assert found is not None
    assert (str(found[0]), found[1]) == ("daily 22:00-24:00", at(30))


@pytest.mark.parametrize("text", ["12-24..01-01", "2026-12-24..2027-01-01"])
def test_holidays_go_on_over_the_end_of_a_year(text: str) -> None:
    holidays = [Blackout.parse(f"{text} Europe/Berlin"), Blackout.parse("Sat,Sun Europe/Berlin")]

    found = closed_by(holidays, datetime(2026, 12, 31, 23, 30, tzinfo=UTC))

    # The second of January is a Saturday.
    assert found is not None
    assert found[1] == datetime(2027, 1, 3, 23, tzinfo=UTC)
    assert closed_by(holidays, datetime(2026, 12, 23, 22, 59, tzinfo=UTC)) is None


def test_a_night_of_new_year_begins_in_one_year_and_ends_in_the_next() -> None:
    night = Blackout.parse("12-31 22:00-06:00 UTC")

    assert night.at(datetime(2027, 1, 1, 5, 59, tzinfo=UTC)) == datetime(2027, 1, 1, 6, tzinfo=UTC)
    assert night.next_begin(datetime(2026, 12, 30, tzinfo=UTC)) == datetime(
        2026, 12, 31, 22, tzinfo=UTC
    )


def test_the_night_that_skips_an_hour_has_its_end() -> None:
    night = Blackout.parse("daily 02:00-03:00 Europe/Berlin")

    # On 28 March 2027 there is no such hour in Berlin.
    assert night.at(datetime(2027, 3, 28, 1, 30, tzinfo=UTC)) is None
    assert night.at(datetime(2027, 3, 29, 0, 30, tzinfo=UTC)) == datetime(
        2027, 3, 29, 1, tzinfo=UTC
    )


def test_the_next_beginning_is_known() -> None:
    assert closes_at([Blackout.parse("Mon-Fri 08:00-10:00")], at(9)) == at(32)
    assert closes_at([], at(9)) is None


@pytest.mark.django_db(transaction=True)
class TestOfAProcessor:
    def test_a_definition_keeps_them(self) -> None:
        processor = define("echo", blackouts=["Sat,Sun", " 12-25 "])

        assert dump(processor)["blackouts"] == ["Sat,Sun", "12-25"]

    @pytest.mark.parametrize("lines", [["never"], [1], {"Mon": 1}, ["12-25"] * 50 + ["x"]])
    def test_a_bad_one_is_refused(self, lines: object) -> None:
        data = {"slug": "a", "name": "A", "handler": "handling.echo", "source": {"kind": "inbox"}}

        with pytest.raises(InvalidDefinition) as refused:
            clean({**data, "blackouts": lines})

        assert list(refused.value.errors) == ["blackouts"]

    def test_no_cycle_begins_and_the_next_is_due_at_its_end(self) -> None:
        processor = define("echo", blackouts=EVER, trigger={"kind": "arrival"})
        control.start(processor.pk, act())
        fill_inbox(processor, numbered(3))

        maintenance.tick()

        assert not Run.objects.exists()
        processor.refresh_from_db()
        assert processor.next_due_at is not None
        assert processor.next_due_at > database_now() + timedelta(days=300)
        assert why(processor, database_now()).startswith(f"Blackout “{EVER[0]}”: it ends in ")

    def test_a_run_by_hand_waits_and_says_for_what(self) -> None:
        processor = define("echo", blackouts=EVER)
        fill_inbox(processor, numbered(3))

        run = run_here(processor)

        assert (run.state, counters(run)) == (RunState.RUNNING, {})
        Run.objects.update(started_at=database_now() - timedelta(minutes=1))
        assert f"waits for the end of the blackout “{EVER[0]}”" in why(processor, database_now())

    def test_a_run_that_waited_goes_on_when_the_blackout_is_taken_away(self) -> None:
        processor = define("echo", blackouts=EVER)
        fill_inbox(processor, numbered(3))
        run = run_here(processor)
        Processor.objects.update(blackouts=[])

        cycle.work(run.pk)

        run.refresh_from_db()
        assert (run.state, counters(run)["done"]) == (RunState.FINISHED, 3)

    def test_records_that_are_not_begun_are_given_back_when_it_begins(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        leases: list[Lease] = []

        def handle(record: Record, context: Context) -> None:
            if record.payload["n"] == 3:
                ends_at, leases[0].ends_at = leases[0].ends_at, time.monotonic()
                assert ends_at is not None
                assert 3_000 < ends_at - time.monotonic() <= 3_600

        def open_batch(lease: Lease, now: datetime) -> None:
            leases.append(lease)
            opened(lease, now)

        opened = claiming.open_batch
        monkeypatch.setattr(claiming, "open_batch", open_batch)
        monkeypatch.setattr(stretches, "LEAST_LOOK_SECONDS", 0)
        ahead = iter([timedelta(hours=1)])  # of the first claim
        monkeypatch.setattr(
            claiming, "closes_at", lambda _, now: next((now + one for one in ahead), None)
        )
        monkeypatch.setitem(
            registry._handlers, "handling.closing", Handler("handling.closing", "Close", handle)
        )
        processor = define("closing", blackouts=["2001-01-01"])
        fill_inbox(processor, numbered(10))

        run = run_here(processor)

        first = Batch.objects.filter(run=run).order_by("id")[0]
        assert first.close_reason == CloseReason.RELEASED
        assert (first.done, first.released) == (4, 6)
        assert counters(run)["done"] == 10
