"""A process dies, fails or freezes between any two steps: each record still takes effect once.

Every place of processors/failpoints.py, every way, fifty records. The deaths are tried by every
`make test`, the other ways by `make chaos`.
"""

import signal
from collections.abc import Iterator

import pytest
from django.db.models import Sum

from processors import failpoints
from processors.ledger_check import AT_REST, check
from processors.models import Processor, Run
from processors.protocol.reaping import take_from_dead
from processors.states import ProcessorState
from tests import stakes
from tests.faults.actors import Actor, let_leases_run_out
from tests.faults.crew import Crew
from tests.faults.places import PLACES, RECORDS, Place, press_start_again
from tests.handling.models import Effect
from tests.stories import handled_keys
from tests.tables import Table
from tests.trials import Trial

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "shop"])
STAND_STILL_SECONDS = 1.5


@pytest.fixture(autouse=True)
def _tables() -> Iterator[None]:
    yield
    for alias in ("default", "shop"):
        Table(alias).drop()


def test_every_place_is_tried() -> None:
    assert {place.failpoint for place in PLACES} == set(failpoints.NAMES)


@pytest.mark.fault("failpoint", "kill -9 between two steps")
@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_death_between_two_steps_loses_and_doubles_nothing(place: Place, trial: Trial) -> None:
    actor = struck(place, "kill9", trial)

    assert actor.exit_code == -signal.SIGKILL
    everything_takes_effect_once(actor, trial)


@pytest.mark.matrix
@pytest.mark.fault("failpoint", "an error between two steps")
@pytest.mark.parametrize("place", PLACES, ids=str)
def test_an_error_between_two_steps_loses_and_doubles_nothing(place: Place, trial: Trial) -> None:
    actor = struck(place, "raise", trial)

    assert actor.exit_code is not None
    take_from_dead(actor.owner)  # its parent lives
    everything_takes_effect_once(actor, trial)


@pytest.mark.matrix
@pytest.mark.fault("failpoint", "all threads stand still while the lease runs out")
@pytest.mark.parametrize("place", PLACES, ids=str)
def test_a_sleep_between_two_steps_loses_and_doubles_nothing(place: Place, trial: Trial) -> None:
    actor = struck(place, f"stop={STAND_STILL_SECONDS}", trial)

    assert actor.exit_code is None
    everything_takes_effect_once(actor, trial)


def struck(place: Place, action: str, trial: Trial) -> Actor:
    """A process that came by the place; the lease of what it has in hand runs out."""
    deed = place.prepare()
    actor = Actor(deed, f"{place.failpoint}:{action}:{place.nth}")
    actor.wait_until_struck()
    trial.figures.what = f"{place.failpoint}: {trial.figures.what}"
    trial.strike()
    let_leases_run_out()
    return actor


def everything_takes_effect_once(actor: Actor, trial: Trial) -> None:
    """The crew brings it through, and the books are exact."""
    with Crew() as crew:
        if Processor.objects.get().state != ProcessorState.STOPPED or actor.has_ended():
            press_start_again()
        crew.bring_through()
        trial.survived()
        actor.wait()
        crew.bring_through()

    if stakes.atomic():
        assert len(handled_keys()) == RECORDS
    # Acts outside may be repeated, under the same idempotency key.
    assert Effect.objects.values("idempotency_key").distinct().count() == RECORDS
    sums = Run.objects.aggregate(*map(Sum, ("done", "dead", "parked", "skipped")))
    assert sums == {"done__sum": RECORDS, "dead__sum": 0, "parked__sum": 0, "skipped__sum": 0}
    assert not check(AT_REST)
