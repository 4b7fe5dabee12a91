"""What a cycle works with: the definition frozen at its start, opened for use."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from processors.handlers import Handler, InvalidOptions, registry
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


RUN_COLUMNS = [field.attname for field in Run._meta.concrete_fields]  # noqa: SLF001 - documented
# Each by its name: a statement that was prepared must not change what it returns.
RUN_IN_FULL = ", ".join(f"run.{name}" for name in RUN_COLUMNS)


def run_from(columns: Sequence[Any]) -> Run:
    """A run from the columns of RUN_IN_FULL, read from Postgres without the ORM's cost."""
    run = Run.from_db("default", RUN_COLUMNS, columns)
    run.config = json.loads(run.config)
    return run


class Unable(Exception):
    """This worker cannot treat a run's records; another may. Says why and what to do."""

    def __init__(self, reason: str, *, missing_handler: str = "") -> None:
        super().__init__(reason)
        self.missing_handler = missing_handler


@dataclass(frozen=True)
class Equipment:
    """What a worker treats records with: the handler, and its options with their secrets."""

    handler: Handler
    options: Any


def equip(run: Run) -> Equipment:
    """What this worker needs for a run. Raises Unable."""
    name, handler = run.config["handler"], handler_of(run)
    if handler is None:
        raise Unable(
            _(
                "No worker has the handler '%(name)s'. %(why)s Mend that, or choose "
                "another handler; restart the workers; then clear the fault and start."
            )
            % {"name": name, "why": registry.why_missing(name)},
            missing_handler=name,
        )
    try:
        options = handler.resolved_options(run.config["options"], settings.READ_OPTION)
    except InvalidOptions as error:
        raise Unable(
            _(
                "The options do not fit the handler '%(name)s'. %(error)s Correct them, or "
                "the workers' environment (and restart the workers); then clear the fault "
                "and start."
            )
            % {"name": name, "error": error}
        ) from None
    return Equipment(handler, options)
