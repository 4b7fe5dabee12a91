"""Where records come from: one adapter per kind behind one contract."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from processors.sources.base import Source, SourceTrouble
from processors.sources.foreign import ForeignTableSource
from processors.sources.inbox import InboxSource
from processors.sources.marked import MarkedTableSource
from processors.sources.table import TableSource

__all__ = ["Source", "SourceTrouble", "open_source"]


def open_source(processor_id: int, definition: Mapping[str, Any]) -> Source:
    """The adapter for a definition that was found valid when it was saved."""
    if definition["kind"] == "inbox":
        return InboxSource(processor_id, definition)
    if definition["kind"] == "table":
        if definition["database"] == "default":
            return TableSource(processor_id, definition)
        kind = MarkedTableSource if definition.get("mode") == "B" else ForeignTableSource
        return kind(processor_id, definition)
    raise SourceTrouble(
        _(
            "This installation knows no source of the kind %(kind)r: choose inbox or "
            "table in the processor's settings."
        )
        % {"kind": definition["kind"]}
    )
