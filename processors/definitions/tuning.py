"""The limits that are changed while a processor runs, judged by themselves.

A whole definition is tried against its table; whoever must slow a processor down cannot wait for
that, nor be refused because of something else.
"""

from collections.abc import Mapping
from typing import Any

from processors.definitions import parsing
from processors.definitions.cleaning import Cleaning
from processors.definitions.dumping import dump
from processors.definitions.findings import InvalidDefinition
from processors.handlers import registry
from processors.models.processor import Processor, TriggerKind

PLAIN = ("parallelism", "concurrency", "batch_size")


def tunable(processor: Processor) -> tuple[str, ...]:
    """The columns that can be tuned; a pause only where there is one."""
    has_pause = processor.trigger_kind == TriggerKind.INTERVAL
    return (*PLAIN, *(["pause_seconds"] if has_pause else []), "rate_limits")


def limits_of(definition: Mapping[str, Any]) -> dict[str, Any]:
    """What a definition says of them."""
    trigger = definition.get("trigger") or {}
    pause = {"pause_seconds": trigger["pause_seconds"]} if "pause_seconds" in trigger else {}
    plain = {name: definition[name] for name in PLAIN if name in definition}
    return {**plain, **pause, "rate_limits": definition.get("rate_limits") or []}


def clean_limits(given: Mapping[str, Any], processor: Processor) -> dict[str, Any]:
    """The column values of a processor with these limits. Raises InvalidDefinition."""
    return Tuning(given, processor).run()


class Tuning(Cleaning):
    """The limits of one processor on their way into columns."""

    def __init__(self, given: Mapping[str, Any], processor: Processor) -> None:
        definition = dump(processor)
        pause = given.get("pause_seconds", processor.pause_seconds)
        trigger = {**definition["trigger"], "pause_seconds": pause}
        super().__init__({**definition, **given, "trigger": trigger}, processor)
        self.wanted = tunable(processor)
        self.columns |= {"source": processor.source}

    def run(self) -> dict[str, Any]:
        """As the whole definition's, for these columns alone."""
        self.clean_limits()
        self.take("rate_limits", parsing.rate_limits, [])
        self.check_key_limits()
        if "pause_seconds" in self.wanted:
            self.clean_pause(self.data["trigger"])  # type: ignore[arg-type]
        self.check_effects(registry.find(str(self.data["handler"])))
        errors = {path: said for path, said in self.found.errors.items() if self.is_ours(path)}
        if errors:
            raise InvalidDefinition(errors)
        return {name: self.columns[name] for name in self.wanted}

    def is_ours(self, path: str) -> bool:
        """Whether a sentence is about a limit."""
        return path.rpartition(".")[2] in self.wanted
