"""A database that was copied runs nothing until somebody has said what it is."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from processors import control, cycle, diagnosis, maintenance, publish
from processors.acts import Refused, by_user
from processors.clock import database_now
from processors.copies import settle_installation
from processors.explain import why
from processors.models import Installation, Processor, Record, Run
from processors.models.installation import home_of_database
from processors.protocol import twins
from processors.states import ProcessorState, RecordState
from tests.factories import make_user
from tests.management.conftest import Call, Refuse
from tests.stories import act, define, fill_inbox, numbered

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "shop"])


@pytest.fixture
def running() -> Processor:
    """A processor in the middle of a run, in a database that is then found elsewhere."""
    processor = define("effect", trigger={"kind": "arrival"})
    fill_inbox(processor, numbered(5))
    control.start(processor.pk, act())
    Installation.objects.update(home="postgres:1:1")
    return processor


def test_an_installation_knows_where_it_was_made() -> None:
    assert Installation.this().home == home_of_database() != ""
    assert not twins.is_barred()


def test_a_copy_handles_nothing_and_says_why(running: Processor) -> None:
    cycle.work(Run.objects.get().pk)
    maintenance.tick()
    Run.objects.update(started_at=database_now() - timedelta(minutes=1))

    assert Record.objects.filter(state=RecordState.READY).count() == 5
    assert "is a copy of another one, or was moved" in why(running, database_now())
    assert any("doctor --moved" in found.mend for found in diagnosis.examine())


@pytest.mark.parametrize("way", [list, iter])
def test_what_arrives_in_a_copy_is_stored_and_begins_no_cycle(way: Any) -> None:
    processor = define("effect", trigger={"kind": "arrival"})
    control.start(processor.pk, act())
    Installation.objects.update(home="postgres:1:1")

    publish(processor.slug, way([{"key": "new", "payload": {}}]))

    assert Record.objects.get().state == RecordState.READY
    assert not Run.objects.exists()


def test_nobody_can_start_or_run_anything_in_a_copy() -> None:
    processor = define("effect")
    Installation.objects.update(home="postgres:1:1")

    for verb in (control.start, control.run_once):
        with pytest.raises(Refused, match="doctor --copy"):
            verb(processor.pk, act())


def test_the_original_in_a_new_place_goes_on_under_its_name(running: Processor, call: Call) -> None:
    before = Installation.this().identity

    assert "Everything goes on" in call("doctor", "--moved")
    cycle.work(Run.objects.get().pk)

    assert Record.objects.filter(state=RecordState.DONE).count() == 5
    assert Installation.this().identity == before


def test_a_copy_gets_a_name_of_its_own_and_stands_still(running: Processor, call: Call) -> None:
    before = Installation.this().identity

    assert "Processors stopped: 1." in call("doctor", "--copy")
    running.refresh_from_db()

    assert running.state == ProcessorState.STOPPED
    assert Run.objects.get().has_ended
    assert Installation.this().identity != before
    assert not twins.is_barred()


def test_a_database_in_its_place_has_nothing_to_say(refuse: Refuse) -> None:
    assert "where it was made" in refuse("doctor", "--copy")


def test_only_a_command_can_say_what_a_database_is() -> None:
    Installation.objects.update(home="postgres:1:1")

    with pytest.raises(PermissionDenied):
        settle_installation(by_user(make_user()), as_copy=True)


def test_an_installation_of_an_older_release_learns_where_it_is() -> None:
    Installation.objects.update(home="")

    Installation.make()

    assert Installation.this().home == home_of_database()
