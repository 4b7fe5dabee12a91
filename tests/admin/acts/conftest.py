"""Where a button sends to, and what it leaves."""

from typing import Any

import pytest
from django.urls import reverse

from processors.models import Processor, Record
from tests.admin.conftest import a_failed_record, a_processor, a_run

RECORDS = "admin:processors_record_changelist"
VERBS = (
    *("start", "stop", "pause", "resume", "run-once"),
    *("clear-fault", "clear-and-start", "force-stop"),
)


def act_url(verb: str, pk: int) -> str:
    return reverse(f"admin:processors_processor_{verb}", args=[pk])


def state_of(processor: Processor) -> str:
    return str(Processor.objects.get(pk=processor.pk).state)


def bulk(action: str, *rows: Any, **more: Any) -> dict[str, Any]:
    return {"action": f"{action}_selected", "_selected_action": [row.pk for row in rows], **more}


@pytest.fixture
def failed() -> Record:
    processor = a_processor()
    return a_failed_record(processor, a_run(processor))
