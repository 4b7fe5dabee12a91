"""Run with…: a run with a limit and a reason, or with other options than the definition's."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from processors.clock import database_now
from processors.definitions import digest
from processors.handlers import Handler, registry
from processors.models import Event, Processor, Run
from tests.admin.conftest import SignIn, a_processor, a_run, click, said

pytestmark = pytest.mark.django_db


@dataclass
class Pricing:
    """Options of each kind that a page may write otherwise than a definition."""

    currency: Literal["EUR", "USD"] = "EUR"
    factor: Decimal = Decimal("1.5")
    is_final: bool = True
    token: str = ""


@pytest.fixture(autouse=True)
def _pricing() -> Iterator[None]:
    registry.add(Handler("sample.price", "Price", print, options=Pricing))
    yield
    del registry._handlers["sample.price"]


@pytest.fixture
def priced() -> Processor:
    options = {"factor": 2, "token": "env:PRICES"}
    return a_processor(handler="sample.price", options=options)


def run_with(processor: Processor) -> str:
    return reverse("admin:processors_processor_run-with", args=[processor.pk])


def test_run_with_begins_a_limited_run_and_leads_to_it(admin: Client) -> None:
    processor = a_processor()
    admin.get(run_with(processor))

    answer = admin.post(run_with(processor), click(processor, limit="25", reason="A trial"))

    run = Run.objects.get()
    assert answer["Location"] == run.get_absolute_url()
    assert (run.claim_limit, run.reason) == (25, "A trial")


def test_run_with_of_a_faulted_processor_says_what_that_means(admin: Client) -> None:
    processor = a_processor(fault_reason="10 of the last 10 records failed.")

    page = admin.get(run_with(processor)).content.decode()

    assert "10 of the last 10 records failed. To run it says that this is mended" in page


def test_run_with_nothing_filled_in_has_no_limit(admin: Client) -> None:
    processor = a_processor()

    admin.post(run_with(processor), click(processor, limit=""))

    assert Run.objects.get().claim_limit is None


@pytest.mark.parametrize("limit", ["0", "-1", "x", "1.5", "9" * 13])
def test_a_limit_that_means_nothing_begins_nothing(admin: Client, limit: str) -> None:
    processor = a_processor()

    answer = admin.post(run_with(processor), click(processor, limit=limit, reason="Why not"))

    assert not Run.objects.exists()
    assert "A whole number of records" in str(answer.context["form"].errors["limit"])
    assert answer.context["form"]["reason"].value() == "Why not"


def test_run_with_needs_its_right(sign_in: SignIn) -> None:
    processor = a_processor()
    viewer = sign_in("view_processor")

    assert viewer.get(run_with(processor)).status_code == 403
    assert viewer.post(run_with(processor), click(processor)).status_code == 403


# Other options


def as_shown(client: Client, processor: Processor, **changes: Any) -> dict[str, Any]:
    """What the page sends, with these options changed; None for a box that is not ticked."""
    form = client.get(run_with(processor)).context["form"]
    values = {field.name: field.value() for field in form}
    sent = {name: "on" if value is True else value or "" for name, value in values.items()}
    sent |= {f"option_{name}": value for name, value in changes.items()}
    return click(processor, **{name: value for name, value in sent.items() if value is not None})


def test_a_page_that_was_left_as_it_is_begins_a_run_of_the_definition(
    admin: Client, priced: Processor
) -> None:
    admin.post(run_with(priced), as_shown(admin, priced))

    run = Run.objects.get()
    assert run.config["options"] == priced.options
    assert not run.has_other_options


def test_other_options_are_of_this_run_alone_and_told_everywhere(
    admin: Client, priced: Processor
) -> None:
    before = digest(priced)
    sent = as_shown(admin, priced, currency="USD", is_final=None)

    answer = admin.post(run_with(priced), sent | {"reason": "For the fair"})

    run = Run.objects.get()
    changes = "currency: EUR → USD, is final: yes → no"
    assert run.config["options"] == {
        "currency": "USD", "factor": 2, "is_final": False, "token": "env:PRICES",
    }  # fmt: skip
    assert digest(Processor.objects.get()) == before
    assert said(answer) == f"Run 1 of Orders has begun with other options: {changes}."
    assert LogEntry.objects.get().change_message.startswith(said(answer))
    told = f"other options: {changes}: For the fair"
    assert (run.reason, Event.objects.get().reason) == ("For the fair", told)
    page = admin.get(run.get_absolute_url())
    assert page.context["other_options"] == changes
    assert changes in page.content.decode()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"factor": "much"}, "option_factor"),
        ({"currency": "GBP"}, "option_currency"),
        ({"token": "hunter2"}, "option_token"),
        ({"token": "env:SECRET_KEY"}, "option_token"),
        ({"currency": "\x00"}, "option_currency"),
    ],
)
def test_options_that_do_not_fit_begin_nothing_and_stay_on_the_page(
    admin: Client, priced: Processor, changes: dict[str, str], field: str
) -> None:
    answer = admin.post(run_with(priced), as_shown(admin, priced, **changes))

    form = answer.context["form"]
    assert field in form.errors
    assert form[field].value() == next(iter(changes.values()))
    assert not Run.objects.exists()


def test_a_changed_option_says_what_the_definition_has(admin: Client, priced: Processor) -> None:
    sent = as_shown(admin, priced, factor="3")

    answer = admin.post(run_with(priced), sent | {"limit": "x"})

    assert "The definition says: 2." in answer.content.decode()


def test_who_may_not_change_the_definition_is_not_offered_its_options(
    sign_in: SignIn, priced: Processor
) -> None:
    operator = sign_in("view_processor", "operate_processor")
    editor = sign_in("view_processor", "change_processor")

    assert "option_currency" not in operator.get(run_with(priced)).content.decode()
    operator.post(run_with(priced), click(priced, limit="5"))
    assert Run.objects.get().config["options"] == priced.options
    assert editor.get(run_with(priced)).status_code == 403


def test_options_sent_without_the_right_begin_no_run_at_all(
    sign_in: SignIn, admin: Client, priced: Processor
) -> None:
    sent = as_shown(admin, priced, currency="USD")

    answer = sign_in("view_processor", "operate_processor").post(run_with(priced), sent)

    assert answer.status_code == 403
    assert not Run.objects.exists()


@pytest.mark.parametrize("handler", ["sample.send", "sample.gone"])
def test_a_handler_without_options_has_no_part_for_them(admin: Client, handler: str) -> None:
    processor = a_processor(handler=handler)

    html = admin.get(run_with(processor)).content.decode()

    assert "Options, for this run alone" not in html
    assert 'name="options_of"' not in html


def test_options_of_a_handler_that_was_changed_meanwhile_begin_nothing(
    admin: Client, priced: Processor
) -> None:
    sent = as_shown(admin, priced, currency="USD")
    Processor.objects.update(handler="sample.send", options={})

    answer = admin.post(run_with(priced), sent)

    assert "it has another handler now" in said(answer)
    assert not Run.objects.exists()


def test_a_definition_that_was_changed_meanwhile_begins_nothing_and_shows_both(
    admin: Client, priced: Processor
) -> None:
    sent = as_shown(admin, priced, currency="USD")
    Processor.objects.update(version=priced.version + 1, options={"factor": 7})

    answer = admin.post(run_with(priced), sent)

    assert not Run.objects.exists()
    assert "The definition says: 7." in answer.content.decode()


def test_a_run_with_other_options_is_begun_again_from_its_page(
    admin: Client, sign_in: SignIn, priced: Processor
) -> None:
    admin.post(run_with(priced), as_shown(admin, priced, currency="USD"))
    Run.objects.update(state="finished", ended_at=database_now())
    run = Run.objects.get()
    url = f"{run_with(priced)}?like={run.pk}"
    assert url in admin.get(run.get_absolute_url()).content.decode()
    operator = sign_in("view_run", "view_processor", "operate_processor")
    assert "?like=" not in operator.get(run.get_absolute_url()).content.decode()

    page = admin.get(url)
    admin.post(
        url, as_shown(admin, priced, currency=page.context["form"]["option_currency"].value())
    )

    assert "The definition says: EUR." in page.content.decode()
    assert [one.config["options"]["currency"] for one in Run.objects.all()] == ["USD", "USD"]


@pytest.mark.parametrize("like", ["0", "x", "9" * 30])
def test_a_run_that_is_not_the_processors_is_not_taken_as_an_example(
    admin: Client, priced: Processor, like: str
) -> None:
    other = a_run(a_processor("invoices", handler="sample.price"), config={"handler": "x"})

    for pk in (like, str(other.pk)):
        form = admin.get(run_with(priced), {"like": pk}).context["form"]
        assert form["option_factor"].value() == "2"
