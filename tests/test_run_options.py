"""A run with other options than its definition's: what its handler gets, and what others get."""

from datetime import timedelta
from itertools import count

import pytest
from django import forms
from django.core.exceptions import PermissionDenied

from processors import control, cycle
from processors.acts import by_user
from processors.clock import database_now
from processors.definitions import InvalidDefinition, options_changed
from processors.handlers import Handler, registry
from processors.models import Event, Processor, Record, Run
from processors.protocol import cycles
from tests.factories import make_processor, make_run, make_user
from tests.stories import act, define, fill_inbox, run_here


def a_wordy_processor() -> Processor:
    return define("show_options", options={"word": "usual"})


def results() -> dict[str, object]:
    return {record.key: record.result for record in Record.objects.all()}


@pytest.mark.django_db(transaction=True)
def test_the_handler_gets_them_in_this_run_and_the_definitions_in_the_next() -> None:
    processor = a_wordy_processor()
    fill_inbox(processor, {"first": {}})

    run = control.run_once(processor.pk, act(), options={"word": "other"})
    cycle.work(run.pk)
    fill_inbox(processor, {"second": {}})
    later = run_here(processor)

    assert results() == {"first": "other", "second": "usual"}
    assert options_changed(run.config) == "word: usual → other"
    assert options_changed(later.config) == ""


@pytest.mark.django_db
def test_a_default_that_is_left_out_or_written_out_makes_no_other_options() -> None:
    processor = define("show_options")

    run = control.run_once(processor.pk, act(), options={"word": ""})

    assert run.config["options"] == {}
    assert not run.has_other_options


@pytest.mark.django_db
def test_a_default_that_is_another_one_each_time_makes_no_other_options(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    numbers = count()
    field = forms.IntegerField(initial=lambda: next(numbers))
    options = type("Numbered", (forms.Form,), {"number": field})
    numbered = Handler("sample.numbered", "Numbered", print, options=options)
    monkeypatch.setitem(registry._handlers, numbered.name, numbered)

    run = control.run_once(make_processor(handler=numbered.name).pk, act(), options={})

    assert run.config["options"] == {}


@pytest.mark.django_db
def test_what_differed_stays_told_when_the_definition_changes() -> None:
    processor = a_wordy_processor()
    run = control.run_once(processor.pk, act("why"), options={})
    Processor.objects.update(options={"word": "new"})

    run.refresh_from_db()

    assert options_changed(run.config) == "word: usual → nothing"
    assert Event.objects.get(run=run).reason == "other options: word: usual → nothing: why"


@pytest.mark.django_db
def test_options_that_do_not_fit_begin_nothing() -> None:
    processor = a_wordy_processor()

    with pytest.raises(InvalidDefinition, match="did you mean 'word'"):
        control.run_once(processor.pk, act(), options={"wrod": "x"})

    assert not Run.objects.exists()
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_who_may_only_operate_may_not_hand_other_options_in() -> None:
    processor = a_wordy_processor()
    operator = make_user("otto", "operate_processor")

    with pytest.raises(PermissionDenied):
        control.run_once(processor.pk, by_user(operator), options={"word": "other"})
    run = control.run_once(processor.pk, by_user(operator), options={"word": "usual"})

    assert not run.has_other_options


@pytest.mark.django_db
def test_a_run_with_other_options_takes_nothing_along_that_came_later() -> None:
    processor = make_processor(trigger_kind="interval", pause_seconds=1)
    long_ago = database_now() - timedelta(minutes=5)
    run = make_run(processor, started_at=long_ago, ceiling="5")
    Run.objects.update(config=run.config | {"definition_options": {"currency": "EUR"}})
    run.refresh_from_db()

    cycles.take_along(run, database_now())

    assert Run.objects.get().ceiling == "5"
