"""Handlers, options and variables that workers do not have cost no attempt."""

import pytest

from processors import control, cycle
from processors.handlers import registry
from processors.models import Attempt, Record, Run
from processors.states import RunState
from tests.conftest import StartWorker
from tests.faulted.conftest import touched
from tests.stories import act, define, faulted, fill_inbox, numbered, wait_for_end

pytestmark = [
    pytest.mark.django_db(transaction=True, databases=["default", "shop"]),
    pytest.mark.usefixtures("clean_ledger"),
]


def test_a_handler_that_no_worker_has_faults_the_run_with_its_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    processor = define("obey")
    fill_inbox(processor, numbered(5))
    run = control.run_once(processor.pk, act())
    monkeypatch.delitem(registry._handlers, "handling.obey")
    monkeypatch.setitem(registry.failures, "handling", "ModuleNotFoundError: No module named 'x'")

    cycle.work(run.pk)
    run.refresh_from_db()

    assert run.state == RunState.FAILED
    assert "'handling.obey'" in faulted(processor)
    assert "No module named 'x'" in faulted(processor)
    assert touched() == 0


def test_a_handler_that_another_worker_has_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from processors import queues

    processor = define("obey")
    fill_inbox(processor, numbered(5))
    run = control.run_once(processor.pk, act())
    monkeypatch.delitem(registry._handlers, "handling.obey")
    other = queues.WorkerFacts("w2", queues=("default",), handlers=("handling.obey",))
    monkeypatch.setattr(queues, "other_workers", lambda *_: [other])

    cycle.work(run.pk)
    run.refresh_from_db()

    assert run.state == RunState.RUNNING
    assert not Attempt.objects.exists()


@pytest.mark.parametrize(
    ("told", "state"), [(None, RunState.RUNNING), (("handling.echo",), RunState.FAILED)]
)
def test_a_worker_that_does_not_tell_its_handlers_is_given_time_to_begin(
    monkeypatch: pytest.MonkeyPatch, told: tuple[str, ...] | None, state: RunState
) -> None:
    from processors import queues

    processor = define("obey")
    fill_inbox(processor, numbered(5))
    run = control.run_once(processor.pk, act())
    monkeypatch.delitem(registry._handlers, "handling.obey")
    other = queues.WorkerFacts("w2", queues=("default",), handlers=told)
    monkeypatch.setattr(queues, "other_workers", lambda *_: [other])

    cycle.work(run.pk)
    run.refresh_from_db()

    assert run.state == state
    assert not Attempt.objects.exists()


def test_options_that_no_longer_fit_fault_the_run() -> None:
    processor = define("effect", options={"seconds": 1})
    fill_inbox(processor, numbered(5))
    run = control.run_once(processor.pk, act())
    Run.objects.update(config={**run.config, "options": {"colour": "red"}})

    cycle.work(run.pk)
    run.refresh_from_db()

    assert run.state == RunState.FAILED
    assert "Unknown option 'colour'" in faulted(processor)
    assert touched() == 0


def test_an_unset_variable_faults_the_run_and_names_it() -> None:
    processor = define("outside", options={"seconds": "env:RECORDMILL_NOWHERE"})
    fill_inbox(processor, numbered(5))
    run = control.run_once(processor.pk, act())

    cycle.work(run.pk)
    run.refresh_from_db()

    assert run.state == RunState.FAILED
    assert "RECORDMILL_NOWHERE is not set in this worker's environment" in faulted(processor)
    assert touched() == 0


@pytest.mark.slow
def test_a_worker_gives_the_handler_a_variable_of_its_own(start_worker: StartWorker) -> None:
    processor = define("show_options", options={"word": "env:PARTNER_TOKEN"})
    fill_inbox(processor, {"a": {}})
    start_worker(PARTNER_TOKEN="from the worker")

    wait_for_end(control.run_once(processor.pk, act()))

    assert Record.objects.get().result == "from the worker"
    assert not Run.objects.filter(config__icontains="from the worker").exists()
