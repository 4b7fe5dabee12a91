"""The demo's handlers in the test kit: no database but where a handler writes to it."""

from collections.abc import Iterator

import pytest

from demo.handlers import log_registration, notify_partner, price_order
from demo.models import Registration
from demo.orders import generate
from processors.handlers import InvalidOptions, registry
from processors.testing import run_handler
from tests.demo.services import Recorder, serve

PERSON = {"name": "Zoë", "email": "zoe@example.org", "message": "Hello"}


@pytest.fixture
def partner() -> Iterator[Recorder]:
    with serve(Recorder()) as recorder:
        yield recorder


def test_the_three_handlers_are_found_under_their_names() -> None:
    names = {handler.name for handler in registry.all()}

    assert {"demo.price_order", "demo.log_registration", "demo.notify_partner"} <= names


def test_a_good_order_is_priced_in_the_currency_of_the_options() -> None:
    order = next(generate(1))

    outcome = run_handler(price_order, payload={"xml": order.xml}, options={"currency": "DKK"})

    assert outcome.kind == "done"
    assert outcome.result["currency"] == "DKK"
    assert outcome.result["order"] == order.order_no


def test_a_bad_order_is_rejected_with_its_sentence() -> None:
    flawed = next(order for order in generate(1_000) if order.flaw == "DTD")

    outcome = run_handler(price_order, payload={"xml": flawed.xml})

    assert (outcome.kind, outcome.message) == ("dead", "The document has a DTD, which is refused.")


@pytest.mark.parametrize("payload", [{}, {"xml": None}, {"xml": " "}, {"xml": 17}])
def test_an_order_without_a_document_is_rejected(payload: dict[str, object]) -> None:
    outcome = run_handler(price_order, payload=payload)

    assert (outcome.kind, outcome.message) == ("dead", "The order has no XML document.")


@pytest.mark.parametrize("options", [{"currency": "XQT"}, {"vat_percent": "101"}])
def test_options_that_make_no_sense_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(InvalidOptions):
        run_handler(price_order, payload={}, options=options)


@pytest.mark.django_db
def test_a_registration_is_stored_and_logged() -> None:
    outcome = run_handler(log_registration, key="k-1", payload=PERSON)

    row = Registration.objects.get(key="k-1")
    assert outcome.result == {"registered": True, "number": row.pk}
    assert outcome.log == [f"Registered Zoë as number {row.pk}."]
    assert (row.name, row.email, row.message) == ("Zoë", "zoe@example.org", "Hello")


@pytest.mark.django_db
def test_a_registration_that_is_handled_again_keeps_its_number() -> None:
    first = run_handler(log_registration, key="k-1", payload=PERSON)

    second = run_handler(log_registration, key="k-1", payload=PERSON | {"name": "Zoe"})

    assert first.result == second.result
    assert Registration.objects.get().name == "Zoe"


@pytest.mark.django_db
def test_the_message_is_logged_only_where_the_options_say_so() -> None:
    outcome = run_handler(log_registration, payload=PERSON, options={"log_message": True})

    assert outcome.log[-1] == "Message: Hello"


def test_a_registration_without_an_address_is_rejected() -> None:
    outcome = run_handler(log_registration, payload=PERSON | {"email": "zoe"})

    assert outcome.kind == "dead"
    assert outcome.message == "The field 'email' is not usable: Enter a valid email address."


def test_the_partner_gets_the_payload_under_the_same_key_at_every_attempt(
    partner: Recorder,
) -> None:
    for attempt in (1, 2):
        outcome = run_handler(
            notify_partner,
            key="Größe 1",
            payload={"order": "A-1"},
            options={"url": partner.url},
            attempt=attempt,
        )

    assert outcome.kind == "done"
    assert partner.bodies == [{"order": "A-1"}] * 2
    assert partner.keys == ["test:Gr%C3%B6%C3%9Fe%201:1"] * 2


@pytest.mark.parametrize(
    ("asked", "after"),
    [("7", 7), ("999999", 3600), ("Thu, 01 Jan 2015 00:00:00 GMT", 0), ("soon", None), ("", None)],
)
def test_a_busy_partner_is_asked_again_when_it_says(
    partner: Recorder, asked: str, after: float | None
) -> None:
    partner.answers_with(503, retry_after=asked)

    outcome = run_handler(notify_partner, payload={}, options={"url": partner.url})

    assert (outcome.kind, outcome.message) == ("retry", "The partner answered 503.")
    assert outcome.after == after


@pytest.mark.parametrize("status", [408, 425, 429, 500])
def test_a_passing_trouble_is_a_retry(partner: Recorder, status: int) -> None:
    partner.answers_with(status)

    assert run_handler(notify_partner, payload={}, options={"url": partner.url}).kind == "retry"


def test_a_refusal_ends_the_record_with_the_partners_sentence(partner: Recorder) -> None:
    partner.answers_with(422, body=b'{"error": "The notification names no order."}')

    outcome = run_handler(notify_partner, payload={}, options={"url": partner.url})

    assert outcome.kind == "dead"
    assert outcome.message == "The partner refused it with 422: The notification names no order."


def test_a_refusal_without_a_sentence_names_its_status(partner: Recorder) -> None:
    partner.answers_with(404, body=b"<html>")

    outcome = run_handler(notify_partner, payload={}, options={"url": partner.url})

    assert outcome.message == "The partner refused it with 404: Not Found"


def test_a_partner_that_does_not_answer_in_time_is_a_retry(partner: Recorder) -> None:
    partner.stays_silent()

    outcome = run_handler(
        notify_partner, payload={}, options={"url": partner.url, "timeout_seconds": 0.1}
    )

    assert (outcome.kind, outcome.message) == ("retry", "The partner did not answer: ReadTimeout.")


def test_a_partner_that_is_not_there_is_a_retry(partner: Recorder) -> None:
    url = partner.url
    partner.leave()

    outcome = run_handler(notify_partner, payload={}, options={"url": url})

    assert outcome.kind == "retry"
    assert outcome.message.startswith("The partner did not answer: ")


@pytest.mark.parametrize(
    "url", ["partner", "ftp://partner/", "http://", "http://a:port/", "http://[x/"]
)
def test_an_address_that_cannot_be_called_is_refused(url: str) -> None:
    with pytest.raises(InvalidOptions):
        run_handler(notify_partner, payload={}, options={"url": url})
