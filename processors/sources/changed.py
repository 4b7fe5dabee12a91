"""A row that somebody changed or deleted while we held it: it is not ours to write any more."""

from typing import Any

from processors.handlers.outcomes import Outcome
from processors.sources.base import Claimed

MISSING: dict[str, Any] = {}
"""The payload of a record whose row is gone or was changed: compared by identity."""


def is_missing(claimed: Claimed) -> bool:
    """Whether a record's row is no longer as we left it."""
    return claimed.payload is MISSING


def outcome_of_change() -> Outcome:
    """What becomes of a record whose row was changed while we held it."""
    return Outcome(
        "parked",
        error_type="ChangedMeanwhile",
        message=(
            "Somebody changed or deleted this row while it was in hand. Nothing was written. "
            "Look at the row, then retry or discard the record."
        ),
    )
