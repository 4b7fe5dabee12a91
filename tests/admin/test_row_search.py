"""A search that finds no record looks its key up in the tables, whose plain rows leave none."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from processors.models import Processor
from tests.admin.conftest import VIEWS, SignIn, a_failed_record, a_processor, a_run
from tests.factories import make_lane, make_table_source

pytestmark = pytest.mark.django_db(transaction=True)


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


@pytest.fixture
def archive() -> Iterator[Processor]:
    """Four rows: 1 waits, 2 is done, 3 has a word of nobody, 4 is left out by the filter."""
    source = make_table_source(4, filter=[["payload", "!=", "no"]])
    execute("UPDATE customer_order SET status = 'DONE' WHERE id = 2")
    execute("UPDATE customer_order SET status = 'HELD' WHERE id = 3")
    execute("UPDATE customer_order SET payload = 'no' WHERE id = 4")
    yield a_processor("archive", source=source, source_kind="table")
    execute("DROP TABLE IF EXISTS customer_order")


def html_of(client: Client, **given: Any) -> str:
    answer = client.get(reverse("admin:processors_record_changelist"), given)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("1", "Row 1 of Archive (customer_order) has status &#x27;NEW&#x27;: it waits"),
        ("key:2", "has status &#x27;DONE&#x27;: it was done"),
        ("3", "has status &#x27;HELD&#x27;: that is none of the source"),
        ("4", "has status &#x27;NEW&#x27;: the source&#x27;s filter leaves it out"),
    ],
)
def test_a_key_without_a_record_is_looked_up_in_the_table(
    admin: Client, archive: Processor, query: str, words: str
) -> None:
    html = html_of(admin, q=query)

    assert words in html
    assert f'<a href="{archive.get_absolute_url()}">Archive</a>' in html
    assert "Nothing matches" not in html


@pytest.mark.parametrize("query", ["5", "INV-1", "9" * 30, "payload.number:1", "error:1"])
def test_what_no_table_has_is_said_with_how_to_search_it(
    admin: Client, archive: Processor, query: str
) -> None:
    html = html_of(admin, q=query)

    assert "Nothing matches" in html
    assert "by its whole key (Archive: id)" in html


def test_a_record_that_another_tab_has_is_one_click_away(admin: Client, archive: Processor) -> None:
    record = a_failed_record(archive, a_run(archive), "1")
    type(record).objects.update(state="ready")

    html = html_of(admin, q="1", state="attention")

    assert reverse("admin:processors_record_change", args=[record.pk]) in html
    assert "its record says more" in html


def test_no_table_is_asked_where_a_record_was_found(admin: Client, archive: Processor) -> None:
    a_failed_record(archive, a_run(archive), "1")

    with CaptureQueriesContext(connection) as asked:
        html_of(admin, q="1")

    assert not [one for one in asked if "customer_order" in one["sql"] and "SELECT" in one["sql"]]


def test_a_key_that_is_part_of_others_is_looked_up_as_well(
    admin: Client, archive: Processor
) -> None:
    a_failed_record(archive, a_run(archive), "21")

    html = html_of(admin, q="2")

    assert "has status &#x27;DONE&#x27;: it was done" in html
    assert ">21<" in html


def test_a_key_without_an_index_is_not_looked_up(admin: Client, archive: Processor) -> None:
    Processor.objects.update(source=archive.source | {"key": "payload"})

    assert "Nothing matches" in html_of(admin, q="{}")


def test_a_table_that_is_away_does_not_take_the_page_along(
    admin: Client, archive: Processor
) -> None:
    Processor.objects.update(source=archive.source | {"database": "nowhere"})

    assert "The table of Archive (customer_order) cannot be read now" in html_of(admin, q="1")


def test_a_table_that_is_gone_is_said_to_be(admin: Client, archive: Processor) -> None:
    execute("DROP TABLE customer_order")

    assert "The table of Archive (customer_order) cannot be read now" in html_of(admin, q="1")


def test_a_processor_that_a_person_may_not_know_of_is_not_asked(
    sign_in: SignIn, archive: Processor
) -> None:
    viewer = sign_in(*VIEWS)
    assert "Row 1 of Archive" in html_of(viewer, q="1")

    archive.groups.add(Group.objects.create(name="Others"))

    assert "Archive" not in html_of(viewer, q="1")


# What limits hold back


def test_the_preview_says_which_rows_a_limit_holds_back(admin: Client, archive: Processor) -> None:
    execute("UPDATE customer_order SET status = 'TAKEN' WHERE id = 1")
    execute("DELETE FROM customer_order WHERE id = 4")
    html = admin.get(archive.get_absolute_url()).content.decode()
    assert "0 rows are" in html

    Processor.objects.update(rate_limits=["5/min by key"])
    make_lane(Processor.objects.get(), waiting=1)

    html = admin.get(archive.get_absolute_url()).content.decode()
    assert "1 row is &#x27;TAKEN&#x27; because a limit by its key holds it back" in html
    assert "No other row is new." in html
    assert "0 rows are" not in html
