"""The form that helps: a handler's own options as fields."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from django import forms
from django.test import Client

from processors.handlers import Handler, registry
from processors.models import Processor
from tests.admin.conftest import a_processor
from tests.admin.form_help.conftest import sent_of, show
from tests.admin.test_form import ADD, errors_of, typed

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


@dataclass
class Sending:
    """Options as a dataclass: one of each kind."""

    currency: Literal["EUR", "CHF"]
    times: int = 3
    seconds: float = 0.5
    is_loud: bool = True
    token: str = ""


class Choosing(forms.Form):
    """Options as a form."""

    label = forms.CharField(
        label="The label", help_text="Printed on top.", initial="x", required=False
    )
    kinds = forms.MultipleChoiceField(choices=[("a", "A"), ("b", "B")], required=False)
    shape = forms.JSONField(required=False)
    count = forms.IntegerField(min_value=1, initial=1)


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    def send(record: Any, context: Any) -> None:
        """Send it far away.

        And say so.
        """

    registry.add(Handler("sample.dataclass", "Dataclass", send, options=Sending))
    registry.add(Handler("sample.form", "Form", send, options=Choosing))
    yield
    del registry._handlers["sample.dataclass"], registry._handlers["sample.form"]


def test_a_handlers_options_are_fields_with_their_defaults(admin: Client) -> None:
    form = show(admin, handler="sample.dataclass")

    values = {name: form[name].value() for name in form.drawn}
    assert values == {
        "option_currency": None, "option_times": "3", "option_seconds": "0.5",
        "option_is_loud": True, "option_token": "",
    }  # fmt: skip
    assert isinstance(form.fields["option_currency"].widget, forms.Select)
    assert not Processor.objects.exists()


def test_the_page_says_what_the_handler_does(admin: Client) -> None:
    html = admin.post(ADD, typed(handler="sample.form", _show="1")).content.decode()

    assert "Send it far away." in html
    assert "Printed on top." in html
    assert 'name="options"' not in html


def test_what_is_typed_into_the_fields_is_saved_as_options(admin: Client) -> None:
    form = show(admin, handler="sample.dataclass")
    changes = {"option_currency": "CHF", "option_times": "7", "option_seconds": "1.5"}
    data = sent_of(form, **changes)
    del data["option_is_loud"]

    admin.post(ADD, data)

    assert Processor.objects.get().options == {
        "currency": "CHF", "times": 7, "seconds": 1.5, "is_loud": False,
    }  # fmt: skip


def test_lists_and_json_are_read_from_their_text(admin: Client) -> None:
    form = show(admin, handler="sample.form")

    admin.post(ADD, sent_of(form, option_kinds="a, b", option_shape='{"x": [1]}', option_label=""))

    assert Processor.objects.get().options == {
        "label": "", "kinds": ["a", "b"], "shape": {"x": [1]}, "count": 1,
    }  # fmt: skip


def test_a_variable_may_stand_for_any_value_and_is_shown_as_it_is(admin: Client) -> None:
    form = show(admin, handler="sample.dataclass")
    admin.post(ADD, sent_of(form, option_currency="EUR", option_token="env:TOKEN",
                            option_times="env:TIMES"))  # fmt: skip
    processor = Processor.objects.get()
    assert processor.options["times"] == "env:TIMES"

    again = admin.get(processor.get_absolute_url()).context["form"]

    assert again["option_times"].value() == "env:TIMES"


@pytest.mark.parametrize(
    ("handler", "changes", "field"),
    [
        ("sample.dataclass", {}, "option_currency"),
        ("sample.dataclass", {"option_currency": "USD"}, "option_currency"),
        ("sample.dataclass", {"option_currency": "EUR", "option_times": "x"}, "option_times"),
        ("sample.dataclass", {"option_currency": "EUR", "option_token": "abc"}, "option_token"),
        ("sample.form", {"option_count": "0"}, "option_count"),
        ("sample.form", {"option_kinds": "a, z"}, "option_kinds"),
        ("sample.form", {"option_shape": "{"}, "option_shape"),
    ],
)
def test_what_is_wrong_with_an_option_is_said_beside_it(
    admin: Client, handler: str, changes: dict[str, Any], field: str
) -> None:
    data = sent_of(show(admin, handler=handler), **changes)

    answer = admin.post(ADD, data)

    assert field in errors_of(answer)
    assert not Processor.objects.exists()


def test_fields_of_another_handler_are_not_taken_for_this_one(admin: Client) -> None:
    data = sent_of(show(admin, handler="sample.form"), handler="sample.dataclass")

    answer = admin.post(ADD, data)

    assert "option_currency" in errors_of(answer)
    form = answer.context["form"]
    assert (form["options_of"].value(), form["option_times"].value()) == ("sample.dataclass", "3")
    admin.post(ADD, {**sent_of(form), "option_currency": "EUR"})
    assert Processor.objects.get().options["times"] == 3


def test_stored_options_fill_the_fields_until_another_handler_is_chosen(admin: Client) -> None:
    processor = a_processor(handler="sample.dataclass", options={"currency": "CHF", "times": 9})
    url = processor.get_absolute_url()
    form = admin.get(url).context["form"]
    assert (form["option_times"].value(), form["option_currency"].value()) == ("9", "CHF")

    other = show(admin, url, **sent_of(form, handler="sample.form"))
    back = show(admin, url, **sent_of(other, handler="sample.dataclass"))

    assert other["option_count"].value() == "1"
    assert back["option_times"].value() == "9"


def test_options_that_a_handler_forgot_are_named(admin: Client) -> None:
    stored = {"currency": "EUR", "retrys": 3}
    processor = a_processor(handler="sample.dataclass", options=stored)

    html = admin.get(processor.get_absolute_url()).content.decode()

    assert "saving leaves them out: retrys" in html


def test_the_text_stays_for_handlers_without_options_and_for_programs(admin: Client) -> None:
    assert show(admin, handler="sample.send").drawn == ("options",)

    data = typed(handler="sample.dataclass", options='{"currency": "EUR"}', options_of="")
    admin.post(ADD, data)

    assert Processor.objects.get().options == {"currency": "EUR"}
