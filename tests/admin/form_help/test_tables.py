"""The form that helps: what a table offers to a source."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from processors.forms.picker import MOST_ROWS
from processors.models import Processor
from processors.sources.connecting import Unreachable
from tests.admin.conftest import SignIn, a_processor
from tests.admin.form_help.conftest import sent_of, show
from tests.admin.test_form import ADD, typed
from tests.factories import make_table_source

pytestmark = pytest.mark.django_db(databases=["default", "shop"])


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


def test_a_count_that_ended_before_the_table_says_of_which_rows_it_is(
    admin: Client, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = shown_html(admin, table)
    monkeypatch.setattr("processors.forms.picker.MOST_ROWS", 2)

    cut = shown_html(admin, table)

    assert "Status:" in whole
    assert "Status of the first 2 rows:" in cut


def shown_html(admin: Client, table: str) -> str:
    given = typed(**A_TABLE, table=table, status="state", word_new="pending", parallelism="none")
    return admin.post(ADD, given).content.decode()


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
