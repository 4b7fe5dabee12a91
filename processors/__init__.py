"""Recordmill: handle every record of a source exactly once, driven from the Django admin.

What the author of a handler needs is importable from here. `publish`, `find_record` and their
errors touch the database and are loaded on first use, so that importing this package is
possible before Django's apps are ready.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from processors.handlers import Context, Record, Reject, Retry, Skip, handler

if TYPE_CHECKING:
    from processors.publishing import (
        KeyTaken,
        Published,
        RecordView,
        UnknownTarget,
        find_record,
        publish,
    )
    from processors.screening import InvalidRecord

_NEEDS_APPS = {
    "InvalidRecord": "processors.screening",
    "KeyTaken": "processors.publishing",
    "Published": "processors.publishing",
    "RecordView": "processors.publishing",
    "UnknownTarget": "processors.publishing",
    "find_record": "processors.publishing",
    "publish": "processors.publishing",
}

__all__ = [
    "Context",
    "InvalidRecord",
    "KeyTaken",
    "Published",
    "Record",
    "RecordView",
    "Reject",
    "Retry",
    "Skip",
    "UnknownTarget",
    "find_record",
    "handler",
    "publish",
]


def __getattr__(name: str) -> Any:
    if name in _NEEDS_APPS:
        return getattr(import_module(_NEEDS_APPS[name]), name)
    raise AttributeError(f"module 'processors' has no attribute {name!r}")
