"""Four failed records of two errors, and what a list shows of them."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse

from processors.clock import database_now
from processors.models import Processor, Record
from tests.admin.conftest import a_failed_record, a_processor, a_run

RECORDS = "admin:processors_record_changelist"
KEY_ERROR, TIMEOUT = "a" * 32, "b" * 32


@pytest.fixture
def processor() -> Processor:
    return a_processor()


@pytest.fixture
def failed(processor: Processor) -> list[Record]:
    """Three with one error, of which one is new, and one with another."""
    now, run = database_now(), a_run(processor)
    return [
        a_failed_record(processor, run, key, error_type=kind, fingerprint=mark, last_error=message,
                        settled_at=now - timedelta(hours=hours),
                        payload={"customer": {"city": city}})
        for key, kind, mark, message, hours, city in (
            ("INV-1", "KeyError", KEY_ERROR, "'postal_code'", 0, "Köln"),
            ("INV-2", "KeyError", KEY_ERROR, "'street'", 5, "Berlin"),
            ("INV-3", "KeyError", KEY_ERROR, "'street'", 100, "Köln"),
            ("INV-4", "TimeoutError", TIMEOUT, "no answer within 30 s", 0, "Köln"),
        )
    ]  # fmt: skip


def html_of(client: Client, **given: str) -> str:
    return client.get(reverse(RECORDS), given).content.decode()


def keys_in(html: str) -> list[str]:
    return re.findall(r'class="name key" href="[^"]+">([^<]+)<', html)
