"""What people see while the database is away."""

from typing import Any, NoReturn

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, ProgrammingError, connection
from django.test import Client

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def visitor() -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("ann"))
    return client


def failing(error: type[Exception]) -> Any:
    def fail(*_: object) -> NoReturn:
        raise error("connection to server at 10.0.0.7 failed: refused")

    return connection.execute_wrapper(fail)


@pytest.mark.parametrize("path", ["/admin/", "/admin/processors/record/", "/admin/login/"])
def test_a_page_says_so_when_the_database_is_away(
    visitor: Client, path: str, caplog: pytest.LogCaptureFixture
) -> None:
    with failing(OperationalError):
        page = visitor.get(path)

    assert (page.status_code, page.headers["Retry-After"]) == (503, "30")
    assert "The database does not answer" in page.text
    assert "No record is lost" in page.text
    assert "10.0.0.7" not in page.text
    assert "answered with 503" in caplog.text
    assert visitor.get("/admin/").status_code == 200


def test_a_form_that_could_not_be_carried_out_says_so(visitor: Client) -> None:
    with failing(OperationalError):
        page = visitor.post("/admin/login/", {"username": "ann", "password": "x"})

    assert page.status_code == 503
    assert "before you send it again" in page.text


def test_a_mistake_of_ours_is_no_outage(visitor: Client) -> None:
    with failing(ProgrammingError):
        page = visitor.get("/admin/processors/record/")

    assert page.status_code == 500


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite's is a file")
def test_a_database_that_takes_no_changes_is_an_outage(visitor: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
    try:
        page = visitor.post("/admin/logout/")
    finally:
        connection.close()

    assert page.status_code == 503
