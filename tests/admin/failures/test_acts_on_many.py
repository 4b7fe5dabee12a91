"""Acts on all that a filter shows, after a question."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from processors.acts import by_command_line
from processors.clock import database_now
from processors.models import Processor, Record
from processors.selection import Selection
from tests.admin.conftest import VIEWS, SignIn, said
from tests.admin.failures.conftest import KEY_ERROR, RECORDS

pytestmark = pytest.mark.django_db


def test_all_of_an_error_are_retried_after_a_question_that_names_number_and_filter(
    admin: Client, failed: list[Record], processor: Processor
) -> None:
    url = reverse("admin:processors_record_many", args=["retry"])
    asked = admin.post(f"{url}?processor={processor.pk}&error={KEY_ERROR}").content.decode()
    assert "3 records are tried again" in asked
    assert "processor Orders · error KeyError" in asked

    selection = re.search(r'name="selection" value="([^"]+)"', asked)
    assert selection
    answer = admin.post(url, {"selection": selection[1], "confirmed": "1", "reason": "Mended"})

    assert "3 records are tried again." in said(answer)
    assert set(Record.objects.filter(state="ready").values_list("key", flat=True)) == {
        "INV-1", "INV-2", "INV-3",
    }  # fmt: skip


def test_all_pages_of_a_list_are_meant_by_select_all(admin: Client, failed: list[Record]) -> None:
    data = {"action": "discard_selected", "_selected_action": [failed[0].pk], "select_across": "1"}

    asked = admin.post(f"{reverse(RECORDS)}?state=attention&error={KEY_ERROR}", data)

    assert "3 records will not be handled" in asked.content.decode()


def test_a_search_is_acted_on_as_it_was_found(admin: Client, failed: list[Record]) -> None:
    data = {"action": "discard_selected", "_selected_action": [failed[0].pk], "select_across": "1"}

    asked = admin.post(f"{reverse(RECORDS)}?q=error:street", data)

    assert "2 records will not be handled" in asked.content.decode()


def test_a_selection_that_we_did_not_make_is_refused(admin: Client) -> None:
    url = reverse("admin:processors_record_many", args=["retry"])

    assert admin.post(url, {"selection": "{}", "confirmed": "1"}).status_code == 400
    assert admin.get(url).status_code == 405
    assert admin.post(reverse("admin:processors_record_many", args=["burn"])).status_code == 404


def test_an_act_on_many_needs_its_right(sign_in: SignIn, failed: list[Record]) -> None:
    url = reverse("admin:processors_record_many", args=["retry"])

    assert sign_in(*VIEWS).post(url).status_code == 403
    assert sign_in("manage_dead_records").post(url).status_code == 403


def test_a_selection_is_kept_and_read_back() -> None:
    selection = Selection("f" * 32, database_now(), (1, 2), 3, 4, "dead")

    assert Selection.from_json(selection.as_json()) == selection
    assert Selection.from_json(Selection().as_json()) == Selection()


def test_only_parked_records_can_be_marked_as_done(failed: list[Record]) -> None:
    from processors import dead_letters

    Record.objects.filter(key="INV-4").update(state="parked")
    act = by_command_line()

    moved = dead_letters.treat("settle", Selection(), act)

    assert moved == 1
    assert Record.objects.get(key="INV-4").state == "done"
