"""What the author of a handler uses; nothing here knows of models, queues or the database."""

from processors.handlers.context import Context
from processors.handlers.contract import Effects, Handler, InvalidOptions, Record, handler
from processors.handlers.outcomes import Outcome, Reject, Retry, Skip
from processors.handlers.registry import registry

__all__ = [
    "Context",
    "Effects",
    "Handler",
    "InvalidOptions",
    "Outcome",
    "Record",
    "Reject",
    "Retry",
    "Skip",
    "handler",
    "registry",
]
