"""What a cycle works with: the definition frozen at its start, opened for use."""

from typing import Any

from processors.handlers import Handler, registry
from processors.models import Processor, Run
from processors.sources import Source, open_source

FROZEN = (
    "handler",
    "options",
    "source",
    "queue",
    "max_attempts",
    "backoff_base_seconds",
    "backoff_cap_seconds",
)
"""What a cycle keeps although the definition changes; limits are read at every claim instead."""


def freeze(processor: Processor, *, ledger_only: bool = False) -> dict[str, Any]:
    """The configuration a cycle of this processor runs with."""
    return {name: getattr(processor, name) for name in FROZEN} | {"ledger_only": ledger_only}


def source_of(run: Run) -> Source:
    """The source of a run, as it was when the run began."""
    return open_source(run.processor_id, run.config["source"])


def handler_of(run: Run) -> Handler | None:
    """The handler of a run, None where this installation does not have it."""
    return registry.find(run.config["handler"])
