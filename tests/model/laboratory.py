"""Where stories are told: an empty database, a stopped clock, and no Redis."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.test import override_settings

from processors.models import Installation
from tests.handling.models import Effect
from tests.model.clockwork import BEGINNING, Clockwork, run, stopped_clock
from tests.model.reference import LEASE


@contextmanager
def laboratory() -> Iterator[Clockwork]:
    """A stopped clock, short leases, and no Redis."""
    with stopped_clock() as clock, override_settings(LEASE_SECONDS=int(LEASE)), without_wakes():
        yield clock


@contextmanager
def without_wakes() -> Iterator[None]:
    """Redis is far away and takes what it is given."""
    with (
        patch("processors.queues.wakeups.wake", return_value=True),
        patch("processors.queues.relay", return_value=True),
    ):
        yield


def empty_database() -> None:
    """As after migrating. Our foreign keys are looked at when the transaction ends."""
    ours: list[Any] = list(apps.get_app_config("processors").get_models(include_auto_created=True))
    with transaction.atomic():
        for model in [*ours, LogEntry, Effect]:
            if model is not Installation:
                run(f"DELETE FROM {model._meta.db_table}")
    Installation.objects.update(reaped_at=BEGINNING)
