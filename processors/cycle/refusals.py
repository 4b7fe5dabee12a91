"""What becomes of a record whose outcome the database does not take."""

from collections.abc import Iterable

from django.db import DatabaseError

from processors.handlers.outcomes import MESSAGE_LIMIT, NOT_NOW, Kind, Outcome, clean_text
from processors.publishing import UnknownTarget
from processors.sources.base import Claimed, SourceChanged
from processors.sources.changed import MISSING, outcome_of_change
from processors.sources.dialect import can_pass, first_line


def refused(claimed: Claimed, error: Exception, *, may_repeat: bool) -> Iterable[Outcome]:
    """What becomes of a record whose outcome was refused: the first that can be written."""
    if isinstance(error, SourceChanged):
        claimed.payload = MISSING
        yield outcome_of_change()
        return
    if isinstance(error, UnknownTarget):
        yield not_published(error)
        return
    if isinstance(error, DatabaseError) and can_pass(error):
        # A row that somebody locks for longer than a lease: no fault of the record.
        if may_repeat:
            yield not_now(error)
            return
        yield refused_by_database("parked", error)
    else:
        yield refused_by_database("dead", error)
    yield refused_by_database("parked", error)


def not_now(error: Exception) -> Outcome:
    """Tried again later for free: the database was in trouble that passes."""
    said = clean_text(f"{type(error).__name__}: {first_line(error)}", MESSAGE_LIMIT)
    return Outcome("retry", error_type=NOT_NOW, message=said, is_free=True)


def not_published(error: UnknownTarget) -> Outcome:
    """Who was to receive what it published was deleted meanwhile."""
    message = clean_text(f"What it published was not stored: {error}", MESSAGE_LIMIT)
    return Outcome("dead", error_type=type(error).__name__, message=message)


def refused_by_database(kind: Kind, error: Exception) -> Outcome:
    """The database did not take what was to be written."""
    said = clean_text(first_line(error), MESSAGE_LIMIT)
    message = f"The database refused the outcome: {said}"
    return Outcome(kind, error_type=type(error).__name__, message=message)
