"""The form that helps: a handler's own options as fields, and what a table offers to a source."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from django import forms
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from processors.forms import ProcessorForm
from processors.forms.picker import MOST_ROWS
from processors.handlers import Handler, registry
from processors.models import Processor
from processors.sources.connecting import Unreachable
from tests.admin.conftest import SignIn, a_processor
from tests.admin.test_form import ADD, errors_of, typed
from tests.factories import make_table_source

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


def show(client: Client, url: str = ADD, **changes: Any) -> ProcessorForm:
    """What comes back when "Show its options" or "Look at it" is pressed."""
    answer = client.post(url, {**typed(), **changes, "_show": "handler"})
    assert answer.status_code == 200
    form: ProcessorForm = answer.context["form"]
    assert not form.errors
    return form


def sent_of(form: ProcessorForm, **changes: Any) -> dict[str, Any]:
    """What the page sends that shows this form; boxes that are not ticked are not sent."""
    values = {name: form[name].value() for name in form.fields}
    boxes = {name: "on" for name, value in values.items() if value is True}
    texts = {name: "" if value is None else value for name, value in values.items()}
    plain = {name: value for name, value in texts.items() if not isinstance(value, bool)}
    return {**plain, **boxes, **changes}


# Options


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


# Tables


@pytest.fixture
def table() -> Iterator[str]:
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "CREATE TABLE parcel "
            "(number integer NOT NULL PRIMARY KEY, state varchar(12), note text)"
        )
        cursor.execute(
            "INSERT INTO parcel VALUES (1, 'pending', 'a blue box'), (2, 'pending', 'a red one'), "
            "(3, 'shipped', 'third'), (4, 'failed', 'fourth')"
        )
        cursor.execute("CREATE VIEW parcel_view AS SELECT * FROM parcel")
    yield "parcel"
    with connections["default"].cursor() as cursor:
        cursor.execute("DROP VIEW parcel_view")
        cursor.execute("DROP TABLE parcel")


A_TABLE: dict[str, Any] = {"source_kind": "table", "database": "default"}


def test_only_tables_that_can_be_a_source_are_offered(admin: Client, table: str) -> None:
    form = show(admin, **A_TABLE)

    names = [one.name for one in form.offered.tables]
    assert table in names
    assert "parcel_view" not in names
    assert not [name for name in names if name.startswith(("auth_", "processors_", "django_"))]


def test_a_table_is_told_with_about_how_many_rows(admin: Client, table: str) -> None:
    with connections["default"].cursor() as cursor:
        cursor.execute("ANALYZE parcel")

    html = admin.post(ADD, typed(**A_TABLE, _show="table")).content.decode()

    assert '<option value="parcel">about 4 rows</option>' in html


def test_columns_and_words_are_guessed_from_the_table(admin: Client, table: str) -> None:
    form = show(admin, **A_TABLE, table=table)

    values = {name: form[name].value() for name in ("key", "status", "word_new", "word_failed")}
    assert values == {
        "key": "number", "status": "state", "word_new": "pending", "word_failed": "failed",
    }  # fmt: skip
    assert form["word_claimed"].value() == "taken"
    assert form.offered.counts == {"pending": 2, "shipped": 1, "failed": 1}
    choices = [value for value, _word in form.fields["key"].widget.choices]
    assert choices == ["", "number", "state", "note"]


def test_what_was_chosen_is_kept(admin: Client, table: str) -> None:
    form = show(admin, **A_TABLE, table=table, key="note", status="state", word_new="fresh")

    assert (form["key"].value(), form["word_new"].value()) == ("note", "fresh")
    assert "0 rows are 'fresh'" in form.word_warning()


def test_a_word_that_no_row_has_is_met_with_the_one_that_was_meant(
    admin: Client, table: str
) -> None:
    html = admin.post(
        ADD, typed(**A_TABLE, table=table, key="number", status="state", word_new="PENDING",
                   _show="1"),
    ).content.decode()  # fmt: skip

    assert "Did you mean &#x27;pending&#x27;?" in html


def test_looking_at_a_table_shows_its_next_rows_and_the_claim(admin: Client, table: str) -> None:
    html = admin.post(ADD, typed(**A_TABLE, table=table, _show="table")).content.decode()

    assert "a blue box" in html
    assert "UPDATE" in html
    assert not Processor.objects.exists()


def test_a_guess_is_saved_as_it_is(admin: Client, table: str) -> None:
    form = show(admin, **A_TABLE, table=table)

    admin.post(ADD, sent_of(form))

    processor = Processor.objects.get()
    assert (processor.source["key"], processor.source["words"]["new"]) == ("number", "pending")
    assert processor.trigger_kind == "interval"


def test_a_new_inbox_begins_on_arrival_without_a_choice(admin: Client) -> None:
    admin.post(ADD, typed())

    assert Processor.objects.get().trigger_kind == "arrival"


@pytest.mark.parametrize(
    "changes",
    [
        {"table": "nope"},
        {"table": "auth_user"},
        {"table": "parcel_view"},
        {"table": 'x"; DROP TABLE parcel'},
        {"database": "erp"},
    ],
)
def test_what_is_no_source_offers_no_columns(
    admin: Client, table: str, changes: dict[str, str]
) -> None:
    form = show(admin, **{**A_TABLE, **changes})

    assert not form.offered.columns


@pytest.mark.parametrize(
    ("typed_name", "sentence"),
    [("nope", "isn&#x27;t in database &#x27;default&#x27;."), ("arc", "Similar: parcel."),
     ("auth_user", "Tables of Django")],
)  # fmt: skip
def test_looking_at_a_table_that_can_be_no_source_says_why(
    admin: Client, table: str, typed_name: str, sentence: str
) -> None:
    html = admin.post(ADD, typed(**A_TABLE, table=typed_name, _show="table")).content.decode()

    assert sentence in html


def test_no_more_than_the_first_rows_are_counted(admin: Client, table: str) -> None:
    with CaptureQueriesContext(connections["default"]) as queries:
        show(admin, **A_TABLE, table=table)

    counted = [
        one["sql"] for one in queries if "count(*)" in one["sql"] and "first_rows" in one["sql"]
    ]
    assert counted
    assert f"LIMIT {MOST_ROWS}" in counted[0]


def test_who_may_not_change_sources_is_offered_no_table(sign_in: SignIn, table: str) -> None:
    client = sign_in("view_processor", "add_processor")

    answer = client.post(ADD, typed(**A_TABLE, table=table, _show="table"))

    assert not answer.context["form"].offered.tables
    assert "pending" not in answer.content.decode()


def test_rows_are_shown_only_to_who_may_see_payloads(sign_in: SignIn, table: str) -> None:
    client = sign_in("view_processor", "add_processor", "change_source")

    html = client.post(ADD, typed(**A_TABLE, table=table, _show="table")).content.decode()

    assert "You do not have the right to see payloads" in html
    assert "a blue box" not in html


def test_the_page_of_an_inbox_does_not_ask_for_tables(admin: Client, table: str) -> None:
    processor = a_processor()

    form = admin.get(processor.get_absolute_url()).context["form"]

    assert not form.offered.tables
    data = {**sent_of(form), **A_TABLE}
    assert show(admin, processor.get_absolute_url(), **data).offered.tables


def test_a_database_that_does_not_answer_is_waited_for_once(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def refuse(alias: str) -> None:
        asked.append(alias)
        raise Unreachable("Can't connect to 'shop' (timed out after 5 s).")

    monkeypatch.setattr("processors.forms.picker.connect", refuse)
    processor = a_processor(source=make_table_source(table="far"), source_kind="table")

    html = admin.get(processor.get_absolute_url()).content.decode()

    assert "timed out after 5 s" in html
    assert asked == ["default"]


@pytest.mark.parametrize(("source", "trigger"), [("table", "interval"), ("inbox", "arrival")])
def test_a_table_is_not_left_waiting_for_arrivals(
    admin: Client, table: str, source: str, trigger: str
) -> None:
    sent = {**A_TABLE, "table": table, "source_kind": source, "trigger_kind": "arrival"}

    form = show(admin, **sent)

    assert form["trigger_kind"].value() == trigger
    assert ("only an inbox knows" in str(form.fields["trigger_kind"].help_text)) == (
        source == "table"
    )
