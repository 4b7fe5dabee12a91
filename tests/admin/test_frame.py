"""What stands around every page."""

import html

import pytest
from django.test import Client
from django.urls import reverse

from processors import pause_all
from processors.acts import by_command_line
from processors.models import Installation, Record
from tests.admin.conftest import SignIn, a_failed_record, a_processor, a_run

pytestmark = pytest.mark.django_db


def title_of(page: str) -> str:
    return " ".join(page.partition("<title>")[2].partition("</title>")[0].split())


def test_the_tab_says_how_many_records_need_a_person(admin: Client) -> None:
    processor = a_processor()
    url = reverse("admin:processors_run_changelist")
    calm = admin.get(url).content.decode()
    a_failed_record(processor, a_run(processor))

    page = admin.get(url).content.decode()

    assert title_of(calm) == "Runs | Recordmill"
    assert title_of(page) == "(1) Runs | Recordmill"
    assert 'href="/static/recordmill/favicon.svg"' in calm
    assert 'href="/static/recordmill/favicon-trouble.svg"' in page


def test_the_tab_tells_nothing_to_who_may_not_see_records(sign_in: SignIn) -> None:
    processor = a_processor()
    a_failed_record(processor, a_run(processor))

    page = sign_in("view_run").get(reverse("admin:processors_run_changelist")).content.decode()

    assert title_of(page) == "Runs | Recordmill"


def test_each_section_has_a_key_of_its_own_and_the_list_of_keys_names_it(admin: Client) -> None:
    page = admin.get(reverse("admin:index")).content.decode()

    for key, word in {"p": "Processors", "r": "Runs", "f": "Failed records"}.items():
        assert f'data-key="{key}"' in page
        assert f"<kbd>g</kbd> <kbd>{key}</kbd></dt><dd>{word}</dd>" in page


def report_of(page: str) -> str:
    found = page.partition('<pre id="report" hidden>')[2].partition("</pre>")[0]
    return html.unescape(found)


def test_a_failure_can_be_copied_as_a_report_without_its_payload(admin: Client) -> None:
    processor = a_processor()
    run = a_run(processor, dead=1, claimed=1)
    record = a_failed_record(processor, run, last_error="no stock", payload={"card": "4711-0815"})

    page = admin.get(reverse("admin:processors_record_change", args=[record.pk])).content.decode()

    told = report_of(page).splitlines()
    assert told[:4] == [
        "Record: A-1", "Processor: Orders", "State: Dead", "Error: ValueError: no stock",
    ]  # fmt: skip
    assert told[-1] == f"Link: http://testserver/admin/processors/record/{record.pk}/change/"
    assert "4711-0815" not in report_of(page)


def test_a_run_with_failures_has_a_report_and_a_good_one_has_none(admin: Client) -> None:
    processor = a_processor()
    bad = a_run(processor, dead=2, claimed=3, done=1)
    good = a_run(processor, 2, claimed=1, done=1)

    told = report_of(admin.get(bad.get_absolute_url()).content.decode())

    assert "Run: Orders #1" in told
    assert "Records: 3 claimed, 1 done, 2 dead" in told
    assert report_of(admin.get(good.get_absolute_url()).content.decode()) == ""


RETRY = "admin:processors_record_many"


@pytest.mark.parametrize(("state", "hint"), [("stopped", "Start or run Orders"), ("started", "")])
def test_a_retry_of_ticked_rows_says_that_they_wait_and_leads_to_start(
    admin: Client, state: str, hint: str
) -> None:
    processor = a_processor(state=state)
    a_failed_record(processor, a_run(processor))

    page = retry_ticked(admin)

    assert "1 record is tried again." in page
    assert ("to go on" in page) == bool(hint)
    if hint:
        assert f'<a href="{processor.get_absolute_url()}">{hint} to go on.</a>' in page


def test_a_retry_while_everything_is_paused_says_so(admin: Client) -> None:
    Installation.make()
    processor = a_processor(state="started")
    a_failed_record(processor, a_run(processor))
    pause_all.pause_all(by_command_line())

    assert "Everything is paused: Orders goes on when that ends." in retry_ticked(admin)


def retry_ticked(client: Client) -> str:
    """Tick every row, choose Retry, confirm; the page that follows."""
    url = reverse("admin:processors_record_changelist")
    ticked = {"action": "retry_selected", "_selected_action": list(pks())}
    asked = client.post(url, ticked)
    selection = asked.context["selection"]
    answer = client.post(
        reverse(RETRY, args=["retry"]),
        {"confirmed": "1", "selection": selection, "next": url},
        follow=True,
    )
    return answer.content.decode()


def pks() -> list[int]:
    return list(Record.objects.values_list("pk", flat=True))
