"""Rate limits: how they are written, how much passes, and what a limited run does meanwhile."""

from datetime import timedelta
from unittest.mock import Mock

import pytest
from hypothesis import given

from processors import maintenance
from processors.definitions import InvalidDefinition, clean, dump
from processors.models import Allowance, Lane, Processor, Run
from processors.protocol import claiming
from processors.protocol.gate import Ask
from processors.protocol.working import source_of
from processors.rates import InvalidRate, Rate
from processors.sources import Source
from tests.conftest import StartWorker
from tests.limits.conftest import COUNTS, PAUSES, UNITS, begin, let_through, most_within
from tests.model.clockwork import BEGINNING, Clockwork
from tests.stories import counters, define, fill_inbox, numbered, run_here, wait_for_end


@pytest.mark.parametrize(
    ("text", "usual"),
    [("100/s", "100/s"), (" 1,000 / h", "1000/h")],
)
def test_a_limit_reads_as_it_is_written(text: str, usual: str) -> None:
    assert str(Rate.parse(text)) == usual


@pytest.mark.parametrize(
    "text", ["", "100", "0/s", "1.5/s", "-1/s", "100/week", "9999999/s", "5/s by"]
)
def test_what_is_no_limit_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(InvalidRate, match="100/s or 1,000/h"):
        Rate.parse(text)


@given(count=COUNTS, unit=UNITS, pauses=PAUSES)
def test_over_a_minute_no_more_passes_than_one_percent_above_the_limit(
    count: int, unit: str, pauses: list[float]
) -> None:
    rate = Rate(count, unit)

    passed = let_through(rate, pauses)

    seconds = max(60, rate.per_seconds)
    allowed = seconds / rate.interval
    assert most_within(seconds, passed) <= max(allowed * 1.01, allowed + 1)


@given(count=COUNTS, unit=UNITS)
def test_whoever_comes_when_it_is_worth_while_loses_nothing(count: int, unit: str) -> None:
    rate, now, free_at, total = Rate(count, unit), BEGINNING, BEGINNING, 0

    for _ in range(200):
        now += timedelta(seconds=rate.wait(free_at, now))
        room = rate.room(free_at, now)
        assert room >= 1
        free_at, total = rate.after(free_at, room, now), total + room

    passed = (now - BEGINNING).total_seconds() / rate.interval
    assert passed <= total <= passed + rate.slack / rate.interval + 2


def test_a_time_that_another_clock_wrote_does_not_hold_for_hours() -> None:
    rate = Rate.parse("100/s")

    assert rate.room(BEGINNING + timedelta(hours=1), BEGINNING) > 0
    assert rate.wait(BEGINNING + timedelta(hours=1), BEGINNING) == 0


@pytest.mark.django_db(transaction=True)
class TestOfAProcessor:
    def test_a_definition_keeps_its_limits(self) -> None:
        processor = define("echo", rate_limits=["1,000/h", "10/s"])

        assert dump(processor)["rate_limits"] == ["1000/h", "10/s"]

    @pytest.mark.parametrize("limits", [["ten"], "5/week", [5], ["5/s", "6/s"], {"5/s": 1}])
    def test_a_bad_limit_is_refused(self, limits: object) -> None:
        data = {"slug": "a", "name": "A", "handler": "handling.echo", "source": {"kind": "inbox"}}

        with pytest.raises(InvalidDefinition) as refused:
            clean({**data, "rate_limits": limits})

        assert list(refused.value.errors) == ["rate_limits"]

    def test_a_claim_takes_what_the_tightest_limit_leaves(self) -> None:
        processor = define("echo", rate_limits=["10/h", "100/s"])
        fill_inbox(processor, numbered(20))

        lease = claiming.claim(*asking(processor))

        assert lease is not None
        assert len(lease.claimed) == 1 + int(36 * 0.8 / 360)
        assert not Lane.objects.exists(), "neither of them is a limit of each key"

    def test_a_second_claim_waits_and_says_for_what(self, clock: Clockwork) -> None:
        processor = define("echo", rate_limits=["10/min"])
        fill_inbox(processor, numbered(20))
        source, ask = asking(processor)
        claiming.claim(source, ask)

        again = Ask(ask.run_id, "other")
        assert claiming.claim(source, again) is None

        assert again.held is not None
        assert str(again.held.by) == "10/min"
        # One every six seconds, and 0.48 s that may be caught up with.
        assert again.held.until == clock.now + timedelta(seconds=6 - 0.48)

    def test_a_run_that_is_held_goes_on_and_is_woken_once_in_time(
        self, clock: Clockwork, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        processor = define("echo", rate_limits=["10/min"])
        fill_inbox(processor, numbered(3))
        run = run_here(processor)
        relay = Mock(return_value=True)
        monkeypatch.setattr("processors.queues.relay", relay)

        maintenance.tick()
        assert run.state == "running"
        assert not relay.called
        Allowance.objects.update(free_at=clock.now + timedelta(seconds=1))
        Run.objects.update(woken_at=clock.now - timedelta(seconds=5))
        maintenance.tick()
        maintenance.tick()

        assert relay.call_count == 1

    def test_the_figures_of_a_window_begin_anew_with_the_next(self) -> None:
        processor = define("echo", rate_limits=["100/min"])
        row = Allowance(
            processor=processor, limit="100/min", free_at=BEGINNING, window_at=BEGINNING
        )

        row.count(7, Rate.parse("100/min"), BEGINNING + timedelta(seconds=59))
        row.count(2, Rate.parse("100/min"), BEGINNING + timedelta(seconds=61))

        assert (row.used_before, row.used) == (7, 2)
        assert row.window_at == BEGINNING + timedelta(seconds=60)

    @pytest.mark.slow
    def test_two_workers_together_keep_to_the_limit(self, start_worker: StartWorker) -> None:
        processor = define("echo", rate_limits=["50/s"], parallelism=2)
        fill_inbox(processor, numbered(200))
        for _ in range(2):
            start_worker()
        run = begin(processor)

        wait_for_end(run)

        run.refresh_from_db()
        assert counters(run)["done"] == 200
        assert run.ended_at is not None
        # 200 records at 50/s, less what may be ahead: 0.48 s of work at the start.
        assert (run.ended_at - run.started_at).total_seconds() >= 200 / 50 - 0.48 - 0.1


def asking(processor: Processor) -> tuple[Source, Ask]:
    run = begin(processor)
    return source_of(run), Ask(run.pk, "worker")
