"""Lists as CSV files: what the list shows, no formulas, bounded, for who may see it."""

import csv
import io
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from processors.admin import export
from processors.models import Attempt, Processor, Record, Run
from tests.admin.conftest import VIEWS, SignIn, a_failed_record, a_processor, a_run

pytestmark = pytest.mark.django_db

MODELS = ("run", "record", "attempt", "event")
VIEW_ALL = (*VIEWS, "view_attempt")


def url_of(model: str) -> str:
    return reverse(f"admin:processors_{model}_export-csv")


def rows_of(client: Client, model: str, **given: str) -> list[dict[str, str]]:
    answer = client.get(url_of(model), given)
    assert answer.status_code == 200
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("model", MODELS)
def test_a_list_offers_its_rows_as_a_file(
    admin: Client, history: dict[str, Any], model: str
) -> None:
    page = reverse(f"admin:processors_{model}_changelist")

    html = admin.get(page, {"processor": str(history["processor"].pk)}).content.decode()

    assert f"{url_of(model)}?processor={history['processor'].pk}" in html
    assert rows_of(admin, model, processor=str(history["processor"].pk))


def test_a_file_holds_what_search_filters_and_tab_leave_in_the_lists_order(admin: Client) -> None:
    orders, letters = a_processor("orders"), a_processor("letters")
    for seq in (1, 2, 3):
        a_run(orders, seq, claimed=seq, done=seq)
    a_run(letters, 4)
    Run.objects.filter(seq=2).update(state="stopped")

    found = rows_of(admin, "run", processor=str(orders.pk), state="succeeded")

    assert [row["Run"] for row in found] == ["3", "1"]
    assert found[0]["done"] == "3"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"])  # noqa: RUF001
def test_no_cell_is_a_formula(admin: Client, text: str) -> None:
    processor = a_processor(name=text)
    a_failed_record(processor, a_run(processor), "K-1", last_error=text)

    [row] = rows_of(admin, "record")

    assert row["Processor"] == row["Message"] == f"'{text}"


def test_numbers_stay_numbers() -> None:
    assert [export.cell(value) for value in (-5, 0.5, 0.0123456789, None, True, {"a": "é"})] == [
        -5, 0.5, 0.012346, "", "true", '{"a": "é"}',
    ]  # fmt: skip


def test_a_long_list_is_cut_and_says_so(admin: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    processor = a_processor()
    for seq in range(1, 6):
        a_run(processor, seq)
    monkeypatch.setattr(export, "MOST", 3)
    monkeypatch.setattr(export, "STEP", 2)

    rows = rows_of(admin, "run")

    assert [row["Run"] for row in rows[:3]] == ["5", "4", "3"]
    assert rows[3]["Processor"].startswith("Cut here after 3 rows")


def test_a_file_is_read_in_steps_however_long_it_is(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor = a_processor()
    run = a_run(processor)
    for number in range(4):
        a_failed_record(processor, run, f"K-{number}")
    monkeypatch.setattr(export, "STEP", 2)
    rows_of(admin, "attempt")

    with CaptureQueriesContext(connection) as asked:
        rows_of(admin, "attempt")

    assert sum("IN (" in one["sql"] for one in asked) <= 3


def test_the_kinds_of_error_are_a_file_as_well(admin: Client) -> None:
    processor = a_processor()
    run = a_run(processor)
    for key in ("A-1", "A-2"):
        a_failed_record(processor, run, key, last_error="=1 is no number")

    answer = admin.get(reverse("admin:processors_record_errors-csv"))

    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    [row] = csv.DictReader(io.StringIO(text))
    assert (row["Processor"], row["Error"], row["Records"]) == ("Orders", "ValueError", "2")
    assert row["Its message"] == "'=1 is no number"


def test_a_file_needs_the_right_of_its_list(sign_in: SignIn, history: dict[str, Any]) -> None:
    for model in MODELS:
        others = [right for right in VIEW_ALL if right != f"view_{model}"]

        assert sign_in(*others).get(url_of(model)).status_code == 403
        assert sign_in(*VIEW_ALL).post(url_of(model)).status_code == 405


def test_a_file_holds_nothing_of_a_hidden_processor(
    sign_in: SignIn, history: dict[str, Any]
) -> None:
    history["processor"].groups.add(Group.objects.create(name="others"))

    for model in MODELS:
        assert rows_of(sign_in(*VIEW_ALL), model) == []


def test_payloads_need_their_own_right_and_secrets_stay_masked(sign_in: SignIn) -> None:
    processor = a_processor()
    a_failed_record(processor, a_run(processor), payload={"city": "Köln", "password": "hunter2"})

    [without] = rows_of(sign_in(*VIEWS), "record")
    [row] = rows_of(sign_in(*VIEWS, "view_payload"), "record")

    assert "Payload" not in without
    assert "Köln" in row["Payload"]
    assert "hunter2" not in row["Payload"]


def test_a_search_that_no_list_can_mean_is_refused(admin: Client) -> None:
    assert admin.get(url_of("run"), {"q": "\x00"}).status_code == 400


def test_attempts_are_listed_by_run_outcome_and_error(
    admin: Client, history: dict[str, Any]
) -> None:
    run = history["run"].pk
    Attempt.objects.update(message="No such street.")

    for given, found in (
        ({"run": str(run)}, 1), ({"run": "999999"}, 0), ({"run": "x"}, 0), ({"q": "street"}, 1),
        ({"q": "nowhere"}, 0), ({"outcome": "dead"}, 1), ({"outcome": "parked"}, 0),
        ({"processor": str(history["processor"].pk)}, 1), ({"within": "1h"}, 1),
    ):  # fmt: skip
        assert len(rows_of(admin, "attempt", **given)) == found, given


def test_an_attempt_leads_to_its_record(admin: Client, history: dict[str, Any]) -> None:
    attempt = Attempt.objects.get()

    answer = admin.get(reverse("admin:processors_attempt_change", args=[attempt.pk]))

    assert answer.headers["Location"] == reverse(
        "admin:processors_record_change", args=[attempt.record_id]
    )
    assert Record.objects.count() == Processor.objects.count() == 1
