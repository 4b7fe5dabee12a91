"""Options that one run has other than its definition, judged by themselves.

A run freezes both, each with the handler's defaults: what differed stays to be told, whatever
becomes of the definition and of the handler.
"""

from collections.abc import Mapping
from typing import Any

from processors.definitions.cleaning import Cleaning
from processors.definitions.differences import difference_words, differences
from processors.definitions.dumping import dump
from processors.definitions.findings import InvalidDefinition
from processors.handlers import registry
from processors.handlers.options import with_defaults
from processors.models.processor import Processor
from processors.models.run import USUAL_OPTIONS


def other_options(processor: Processor, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a run with these options freezes otherwise; nothing where they are the definition's.

    Raises InvalidDefinition.
    """
    if given == processor.options:  # a default may be another one whenever it is asked for
        return {}
    handler = registry.find(processor.handler)
    declared = handler.options if handler else None
    usual = with_defaults(declared, processor.options)
    if with_defaults(declared, given) == usual:
        return {}
    cleaned = OptionsAlone({**dump(processor), "options": given}, processor).run()
    return {"options": with_defaults(declared, cleaned["options"]), USUAL_OPTIONS: usual}


def options_changed(config: Mapping[str, Any]) -> str:
    """`currency: EUR → USD`: how the options that a run froze were not its definition's."""
    usual = config.get(USUAL_OPTIONS)
    return "" if usual is None else difference_words(differences(usual, config["options"]))


class OptionsAlone(Cleaning):
    """The options of one processor, and nothing else of its definition."""

    def run(self) -> dict[str, Any]:
        """As the whole definition's. Raises InvalidDefinition."""
        self.clean_options(self.clean_handler())
        if self.found.errors:
            raise InvalidDefinition(self.found.errors)
        return self.columns
