"""The demo's handlers: one that computes, one that writes to the database, one that calls out."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any

import httpx

from demo.forms import NotifyOptions, PricingOptions, RegistrationForm
from demo.models import Registration
from demo.pricing import BadOrder, price, read_order
from processors import Context, Record, Reject, Retry, handler

LONGEST_WAIT_SECONDS = 3600  # a partner that asks for more is asked again after this
SENTENCE_LENGTH = 300  # characters of the partner's answer that are kept


@handler("Price an order", options=PricingOptions)
def price_order(record: Record, context: Context) -> dict[str, Any]:
    """Read the order's XML, check it and price it with VAT.

    Its effects are "outside", the default, although it has none but the result it returns: it
    depends on its record and options alone, so repeating it after a crash is harmless. With
    "database" each order would cost a savepoint that protects nothing.
    """
    xml = record.payload.get("xml")
    if not isinstance(xml, str) or not xml.strip():
        raise Reject("The order has no XML document.")
    try:
        return price(read_order(xml), **context.options)
    except BadOrder as error:
        raise Reject(str(error)) from error


@dataclass(frozen=True)
class RegistrationOptions:
    """Options of `log_registration`; a dataclass does where a form's checks are not needed."""

    log_message: bool = False


@handler("Log a registration", effects="database", options=RegistrationOptions)
def log_registration(record: Record, context: Context) -> dict[str, Any]:
    """Keep the registration as a row of our own and log it.

    With effects in the database the row and the record's outcome are one commit: a crash leaves
    both or neither. The form is checked again, because anyone may publish into an inbox.
    """
    form = RegistrationForm(record.payload)
    if not form.is_valid():
        raise Reject(first_error(form))
    row, _ = Registration.objects.update_or_create(key=record.key, defaults=form.cleaned_data)
    context.log(f"Registered {row.name} as number {row.pk}.")
    if context.options.log_message and row.message:
        context.log(f"Message: {row.message}")
    return {"registered": True, "number": row.pk}


def first_error(form: RegistrationForm) -> str:
    name, errors = next(iter(form.errors.items()))
    return f"The field {name!r} is not usable: {errors[0]}"


@handler("Notify the partner", options=NotifyOptions)
async def notify_partner(record: Record, context: Context) -> dict[str, Any]:
    """Post the record to the partner's web service.

    It acts outside, so it may reach the partner more than once: the idempotency key lets the
    partner tell a repetition. Being async, it waits for as many answers at once as the
    processor's concurrency allows.
    """
    url, timeout = context.options["url"], context.options["timeout_seconds"]
    headers = {"Idempotency-Key": context.idempotency_key}
    # A client per record leaves nothing open behind; what is costly, the certificates, is kept.
    # The environment is not asked for a proxy: only config/ reads it.
    async with httpx.AsyncClient(verify=certificates(), trust_env=False, timeout=timeout) as client:
        try:
            answer = await client.post(url, json=record.payload, headers=headers)
        except httpx.TransportError as error:
            reason = str(error) or type(error).__name__
            raise Retry(f"The partner did not answer: {reason}.") from error
    return judge(answer)


@cache
def certificates() -> ssl.SSLContext:
    return ssl.create_default_context()


def judge(answer: httpx.Response) -> dict[str, Any]:
    """What the partner's answer means: a result, or raises Retry or Reject."""
    status = answer.status_code
    if answer.is_success:
        return {"status": status, "repeated": content(answer).get("repeated", False)}
    if answer.is_server_error or status in {408, 425, 429}:
        raise Retry(f"The partner answered {status}.", after=wait_asked_for(answer))
    sentence = str(content(answer).get("error", ""))[:SENTENCE_LENGTH]
    raise Reject(f"The partner refused it with {status}: {sentence or answer.reason_phrase}")


def content(answer: httpx.Response) -> dict[str, Any]:
    """The answer's JSON object, empty where it has none."""
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def wait_asked_for(answer: httpx.Response) -> float | None:
    """Seconds that the partner wants us to wait, None where it does not say."""
    value = answer.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), LONGEST_WAIT_SECONDS)
    try:
        until = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    left = until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)
    return min(max(left.total_seconds(), 0), LONGEST_WAIT_SECONDS)
