"""Open errors, what happened and the forecast of a processor: live, and at a slower rhythm."""

from typing import Any

import pytest
from django.test import Client

from processors import control, failures
from processors.acts import by_command_line
from processors.admin import outlook_card, slow_cards
from processors.admin.slow_cards import FRESH_SECONDS, remembered
from processors.models import Processor
from tests.admin.conftest import a_failed_record
from tests.admin.live.conftest import poll_as_seen

pytestmark = pytest.mark.django_db

CARDS = 3


def polls(client: Client, processor: Processor, page: str) -> str:
    """What so many polls as there are cards say to a browser that shows this page."""
    url = processor.get_absolute_url()
    return "".join(poll_as_seen(client, url, page).text for _ in range(CARDS))


@pytest.mark.usefixtures("remembered")
def test_a_poll_reads_no_card_that_says_the_same(
    admin: Client, history: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    page = admin.get(history["processor"].get_absolute_url()).text

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a poll read what has not changed")

    for module, name in (
        (failures, "groups"),
        (failures, "pulse"),
        (slow_cards, "events_of"),
        (outlook_card, "outlook"),
    ):
        monkeypatch.setattr(module, name, refuse)
    html = polls(admin, history["processor"], page)

    for key in ("errors", "events", "forecast", "needed"):
        assert f'data-live="{key}"' in page
        assert f'data-live="{key}"' not in html


@pytest.mark.usefixtures("remembered")
def test_another_failure_and_the_forecast_come_by_themselves(
    admin: Client, history: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    processor = history["processor"]
    page = admin.get(processor.get_absolute_url()).text
    a_failed_record(processor, history["run"], "B-1", error_type="Unheard", fingerprint="e" * 32)

    assert "Unheard" not in polls(admin, processor, page)
    monkeypatch.setattr(slow_cards, "FRESH_SECONDS", 0)
    html = polls(admin, processor, page)

    assert "Unheard" in html
    assert 'data-live="events"' not in html


def test_the_card_of_errors_hides_when_the_last_one_is_treated(
    admin: Client, history: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    processor = history["processor"]
    page = admin.get(processor.get_absolute_url()).text
    assert 'id="errors" class="card"' in page
    processor.records.all().delete()

    monkeypatch.setattr(slow_cards, "FRESH_SECONDS", 0)

    assert 'id="errors" class="card nothing"' in polls(admin, processor, page)


def test_an_act_is_told_by_the_next_poll(admin: Client, history: dict[str, Any]) -> None:
    processor = history["processor"]
    page = admin.get(processor.get_absolute_url()).text
    control.start(processor.pk, by_command_line("the CRM is back"))

    html = poll_as_seen(admin, processor.get_absolute_url(), page).text

    assert 'data-live="events"' in html
    assert "the CRM is back" in html


def test_a_poll_asks_for_no_more_than_the_oldest_sign() -> None:
    asked: list[str] = []
    asks = {name: lambda name=name: asked.append(name) for name in "abc"}

    for seconds in (0, FRESH_SECONDS - 1, FRESH_SECONDS, FRESH_SECONDS + 1, FRESH_SECONDS + 2):
        remembered("signs", asks, 1_000.0 + seconds, anew=False)
        asked.append("-")

    assert "".join(asked) == "abc--a-b-c-"


def test_a_person_is_shown_everything_as_it_is_now() -> None:
    asked: list[str] = []
    asks = {name: lambda name=name: asked.append(name) for name in "ab"}

    for _ in range(2):
        remembered("signs", asks, 1_000.0, anew=True)

    assert "".join(asked) == "abab"
