"""The database's clock jumps: work may be repeated or delayed, never lost or done twice.

A clock that jumps ahead by an hour and times that are all an hour earlier are the same thing.
"""

from datetime import timedelta
from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.db.models import F

from processors import control, maintenance
from processors.clock import database_now
from processors.models import Attempt, Installation, Run
from tests.faults.actors import Actor, work_on_runs
from tests.faults.crew import Crew
from tests.stories import act, define, fill_inbox, handled_keys, numbered, wait_for_effects
from tests.trials import Trial
from tests.waiting import wait_until

RECORDS = 50
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def brief_lease(settings: Any) -> None:
    """Of a second: for those whose worker is really lost."""
    settings.LEASE_SECONDS = 1


def jump(by: timedelta) -> None:
    """The database's clock is later by `by`, as far as anything kept in it can tell."""
    # The reaper's gate first: it opens once for the jump. Moved last, it opens again right after a
    # look at batches that have jumped already, and a live one has both its strikes at once.
    found = apps.get_app_config("processors").get_models()
    for model in sorted(found, key=lambda model: model is not Installation):
        fields = [f for f in model._meta.concrete_fields if isinstance(f, models.DateTimeField)]
        changes = {field.name: F(field.name) - by for field in fields}
        if changes:
            model._default_manager.update(**changes)


@pytest.mark.fault("F54", "the database's clock jumps ahead while work is in hand")
@pytest.mark.parametrize("by", [HOUR, DAY], ids=["an hour", "a day"])
def test_a_clock_that_jumps_ahead_doubles_nothing(by: timedelta, trial: Trial) -> None:
    processor = define("effect", options={"seconds": 0.02}, batch_size=25, parallelism=2)
    fill_inbox(processor, numbered(RECORDS))
    control.run_once(processor.pk, act())

    with Crew(tick=maintenance.tick) as crew:
        wait_for_effects(5)
        trial.strike()
        jump(by)
        crew.bring_through()

    assert handled_keys() == sorted(numbered(RECORDS))


@pytest.mark.fault("F55", "the database's clock jumps back while work is in hand")
def test_a_clock_that_jumps_back_blames_nobody(trial: Trial) -> None:
    processor = define("effect", options={"seconds": 0.01}, batch_size=25)
    fill_inbox(processor, numbered(RECORDS))
    control.run_once(processor.pk, act())

    with Crew(tick=maintenance.tick) as crew:
        wait_for_effects(5)
        trial.strike()
        jump(-HOUR)
        crew.bring_through()

    assert handled_keys() == sorted(numbered(RECORDS))
    assert not Attempt.objects.exists()


@pytest.mark.parametrize(
    "trigger", [{"kind": "interval", "pause_seconds": 20}, {"kind": "arrival"}], ids=str
)
def test_after_a_jump_back_the_next_cycle_is_due_as_soon_as_ever(
    trigger: dict[str, Any], transactional_db: None
) -> None:
    processor = define("effect", trigger=trigger)
    control.start(processor.pk, act())
    jump(-HOUR)

    def is_due_soon() -> bool:
        maintenance.tick()
        processor.refresh_from_db()
        assert processor.next_due_at is not None
        return processor.next_due_at < database_now() + timedelta(seconds=21)

    wait_until(is_due_soon, message="the next cycle is an hour away")


@pytest.mark.usefixtures("brief_lease")
@pytest.mark.fault("F55", "the clock jumps back after a worker died")
def test_a_lost_worker_is_noticed_although_its_lease_ends_in_an_hour(
    trial: Trial, settings: Any
) -> None:
    processor = define("effect", batch_size=25)
    fill_inbox(processor, numbered(RECORDS))
    run = control.run_once(processor.pk, act())
    Actor(work_on_runs, "handler.after_effect:kill9:9").wait()

    trial.strike()
    jump(-HOUR)
    wait_until(lambda: maintenance.tick().reaped, message="nobody noticed")
    settings.LEASE_SECONDS = 60
    with Crew() as crew:
        crew.bring_through()

    run.refresh_from_db()
    assert run.has_ended
    assert handled_keys() == sorted(numbered(RECORDS))


@pytest.mark.usefixtures("brief_lease")
@pytest.mark.fault("F54", "the clock jumps ahead and back between two looks of the reaper")
def test_two_jumps_leave_the_reapers_gate_open(trial: Trial, settings: Any) -> None:
    processor = define("effect", batch_size=25)
    fill_inbox(processor, numbered(RECORDS))
    control.run_once(processor.pk, act())
    jump(DAY)
    maintenance.tick()
    jump(-DAY)
    Actor(work_on_runs, "handler.after_effect:kill9:9").wait()

    trial.strike()
    wait_until(lambda: maintenance.tick().reaped, message="nobody looks any more")
    settings.LEASE_SECONDS = 60
    with Crew() as crew:
        crew.bring_through()

    assert Run.objects.get().has_ended
