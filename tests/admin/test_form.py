"""The form of a processor: what is typed, what is refused beside its field, and what is saved."""

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.db import connections
from django.test import Client
from django.urls import reverse

from processors.forms import ProcessorForm
from processors.forms.typed import condition, written_condition
from processors.models import Event, Processor
from tests.admin.conftest import VIEWS, SignIn, a_processor, a_run, an_active_run, said

pytestmark = pytest.mark.django_db(databases=["default", "shop"])

ADD = "/admin/processors/processor/add/"


def typed(processor: Processor | None = None, **changes: Any) -> dict[str, Any]:
    """What the page's form sends when nothing but `changes` is typed."""
    form = ProcessorForm(existing=processor)
    values = {name: form[name].value() for name in form.fields}
    values |= {} if processor else {"name": "Invoices", "handler": "sample.send"}
    sent = {name: "" if value is None else value for name, value in values.items()}
    return {**sent, **changes}


@pytest.fixture
def table() -> None:
    """A table of the user's with three rows."""
    with connections["default"].cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS customer_order")
        cursor.execute(
            "CREATE TABLE customer_order (id integer NOT NULL PRIMARY KEY, "
            "status varchar(10), amount integer, note text)"
        )
        cursor.execute(
            "INSERT INTO customer_order VALUES (1, 'NEW', 5, 'first'), (2, 'NEW', 0, 'left out'), "
            "(3, 'DONE', 9, 'third')"
        )


A_TABLE: dict[str, Any] = {
    "source_kind": "table", "database": "default", "table": "customer_order", "key": "id",
    "status": "status", "payload": "amount, note", "filter": "amount > 0",
    "trigger_kind": "manual",
}  # fmt: skip


def errors_of(answer: Any) -> dict[str, Any]:
    return dict(answer.context["form"].errors)


def test_the_shortest_form_makes_a_stopped_processor(admin: Client) -> None:
    answer = admin.post(ADD, typed())

    processor = Processor.objects.get()
    assert answer["Location"] == processor.get_absolute_url()
    assert (processor.slug, processor.state) == ("invoices", "stopped")
    assert Event.objects.get().action == "create"


def test_a_table_is_previewed_without_saving(admin: Client, table: None) -> None:
    html = admin.post(ADD, typed(**A_TABLE, _preview="1")).content.decode()

    assert "Nothing is saved yet." in html
    assert "first" in html
    assert "left out" not in html
    assert "UPDATE" in html
    assert not Processor.objects.exists()


def test_a_saved_table_source_shows_its_preview_and_its_own_words(
    admin: Client, table: None
) -> None:
    admin.post(ADD, typed(**A_TABLE))

    processor = Processor.objects.get()
    assert processor.source["filter"] == [["amount", ">", 0]]
    assert typed(processor)["filter"] == "amount > 0"
    assert "first" in admin.get(processor.get_absolute_url()).content.decode()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "  "}, "name"),
        ({"batch_size": "１０"}, "batch_size"),  # noqa: RUF001
        ({"batch_size": " 10 "}, "batch_size"),
        ({"max_attempts": "0"}, "max_attempts"),
        ({"handler": "os.system"}, "handler"),
        ({"options": "{"}, "options"),
        ({"options": '{"password": "x"}'}, "options"),
        ({"trigger_kind": "cron", "cron": "61 * * * *"}, "cron"),
        ({"trigger_kind": "cron", "cron": "* * * * *", "time_zone": "Nowhere"}, "time_zone"),
        ({"trigger_kind": "interval", "pause_seconds": "-1"}, "pause_seconds"),
        ({"backoff_base_seconds": "600", "backoff_cap_seconds": "300"}, "backoff_base_seconds"),
        ({"source_kind": "table", "table": "auth_user"}, "table"),
        ({"queue": "fast"}, "queue"),
        ({"topic": "a b"}, "topic"),
        ({"name": "a\x00b"}, "name"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(
    admin: Client, changes: dict[str, Any], field: str
) -> None:
    answer = admin.post(ADD, typed(**changes))

    assert answer.status_code == 200
    assert field in errors_of(answer)
    assert not Processor.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"key": "nope"}, "key"), ({"word_new": "DONE"}, "word_done"),
        ({"payload": "id, nope"}, "payload"), ({"filter": "amount about 3"}, "filter"),
        ({"filter": "1=1; DELETE FROM x"}, "filter"), ({"result": "amount"}, "result"),
        ({"order": "-nope"}, "order"), ({"database": "erp"}, "database"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_table_is_said_beside_its_field(
    admin: Client, table: None, changes: dict[str, Any], field: str
) -> None:
    answer = admin.post(ADD, typed(**{**A_TABLE, **changes}))

    assert field in errors_of(answer)


def test_the_first_line_of_what_is_wrong_leads_to_every_marked_field(admin: Client) -> None:
    html = admin.post(ADD, typed(parallelism="x", rate_limits="x")).content.decode()

    assert '<a href="#id_parallelism">Parallelism</a>' in html
    assert '<a href="#id_rate_limits">Rate limits</a>' in html


def test_what_was_typed_comes_back_escaped(admin: Client) -> None:
    html = admin.post(ADD, typed(name="<b>x</b>", batch_size="0")).content.decode()

    assert "&lt;b&gt;x&lt;/b&gt;" in html
    assert "<b>x</b>" not in html


def test_a_valid_cron_is_shown_in_words_with_its_next_times(admin: Client) -> None:
    changes: dict[str, Any] = {
        "trigger_kind": "cron",
        "cron": "30 2 * * *",
        "time_zone": "Asia/Tokyo",  # without summer time: each day has a 02:30
    }

    html = admin.post(ADD, typed(**changes, _preview="1")).content.decode()

    assert "At 02:30" in html
    assert html.count("02:30 JST") == 5


def test_a_change_is_saved_with_who_and_what(admin: Client) -> None:
    processor = a_processor()

    admin.post(processor.get_absolute_url(), typed(processor, batch_size="20", name="Other"))

    processor.refresh_from_db()
    assert (processor.batch_size, processor.name, processor.version) == (20, "Other", 1)
    event = Event.objects.get(action="edit")
    assert event.reason == "name: Orders → Other, batch size: 500 → 20"
    assert (
        "Changed name: Orders → Other, batch size: 500 → 20."
        in admin.get(
            reverse("admin:processors_processor_history", args=[processor.pk])
        ).content.decode()
    )


def test_saving_without_a_change_writes_nothing(admin: Client) -> None:
    processor = a_processor()

    admin.post(processor.get_absolute_url(), typed(processor))

    assert not Event.objects.exists()


def test_b18_the_second_of_two_tabs_saves_nothing(admin: Client) -> None:
    processor = a_processor()
    second = typed(processor, name="Second")
    admin.post(processor.get_absolute_url(), typed(processor, name="First"))

    answer = admin.post(processor.get_absolute_url(), second)

    html = answer.content.decode()
    assert "your changes are below, nothing was saved" in html
    assert "Changed by user-0 at" in html
    assert 'value="Second"' in html
    assert Processor.objects.get().name == "First"


def test_starting_a_processor_does_not_disturb_who_edits_it(admin: Client) -> None:
    processor = a_processor()
    form = typed(processor, name="Other")
    Processor.objects.update(state="started", version=7)

    admin.post(processor.get_absolute_url(), form)

    assert Processor.objects.get().name == "Other"


def test_saving_while_a_run_is_active_says_from_when_it_counts(admin: Client) -> None:
    processor = a_processor()
    an_active_run(processor)

    answer = admin.post(processor.get_absolute_url(), typed(processor, batch_size="20"))

    told = " ".join(str(message) for message in get_messages(answer.wsgi_request))
    assert "Changes apply from the next run; limits at once." in told


def test_b14_a_handler_that_is_gone_stays_visible(admin: Client) -> None:
    processor = a_processor(handler="sample.old")

    html = admin.get(processor.get_absolute_url()).content.decode()
    answer = admin.post(processor.get_absolute_url(), typed(processor))

    assert "sample.old (no longer installed)" in html
    assert "is no longer installed on this server" in str(errors_of(answer)["handler"])


def test_b20_unknown_fields_are_ignored_and_doubled_ones_refused(admin: Client) -> None:
    processor = a_processor()
    url = processor.get_absolute_url()

    admin.post(url, typed(processor, state="started", is_superuser="1"))
    assert Processor.objects.get().state == "stopped"

    doubled = typed(processor, batch_size=["5", "500"])
    assert admin.post(url, doubled).status_code == 400


def test_the_form_needs_its_rights(sign_in: SignIn) -> None:
    processor = a_processor()
    client = sign_in(*VIEWS)

    assert client.get(ADD).status_code == 403
    assert client.post(ADD, typed()).status_code == 403
    assert client.post(processor.get_absolute_url(), typed(processor)).status_code == 403
    assert "settings" not in client.get(processor.get_absolute_url()).content.decode()


CLICK = "0b8f3b8e-27a4-4b2e-9d4d-0d9e8a3f0c11"


def test_a_form_sent_twice_adds_once_and_says_so_twice(admin: Client) -> None:
    answers = [admin.post(ADD, typed(operation=CLICK)) for _ in range(2)]

    added = Processor.objects.get()
    assert [answer["Location"] for answer in answers] == [added.get_absolute_url()] * 2
    assert "Invoices was added" in said(answers[1])


def test_a_form_gone_back_to_adds_another_under_another_name(admin: Client) -> None:
    admin.post(ADD, typed(operation=CLICK))
    admin.post(ADD, typed(operation=CLICK, name="Letters"))

    assert set(Processor.objects.values_list("slug", flat=True)) == {"invoices", "letters"}


def test_an_edit_sent_twice_is_no_conflict(admin: Client) -> None:
    processor = a_processor()
    form = typed(processor, batch_size="50")

    answers = [admin.post(processor.get_absolute_url(), form) for _ in range(2)]
    other = admin.post(processor.get_absolute_url(), {**form, "batch_size": "60"})

    assert [answer.status_code for answer in answers] == [302, 302]
    assert Event.objects.filter(action="edit").count() == 1
    assert "Changed by" in other.content.decode()


def test_a_processor_with_history_is_kept(admin: Client) -> None:
    kept, gone = a_processor(), a_processor("empty")
    a_run(kept)

    for processor in (kept, gone):
        url = reverse("admin:processors_processor_delete", args=[processor.pk])
        answer = admin.post(url, {"post": "yes"})
        if processor is kept:
            assert "their history would be lost" in answer.content.decode()

    assert list(Processor.objects.all()) == [kept]


@pytest.mark.parametrize(
    ("line", "parsed"),
    [
        ("amount > 0", ["amount", ">", "0"]),
        ("amount>=0", ["amount", ">=", "0"]),
        ("country in DE, AT", ["country", "in", ["DE", "AT"]]),
        ("deleted_at IS  NULL", ["deleted_at", "is null", None]),
        ("deleted_at is not null", ["deleted_at", "is not null", None]),
        ('"unit price" <= 5', ["unit price", "<=", "5"]),
        ("note = a b c", ["note", "=", "a b c"]),
        ("inside = 3", ["inside", "=", "3"]),
        ("amount about 3", ["amount", "about", "3"]),
    ],
)
def test_a_condition_is_read_from_a_line(line: str, parsed: list[Any]) -> None:
    assert condition(line) == parsed
    assert condition(written_condition(parsed)) == parsed
