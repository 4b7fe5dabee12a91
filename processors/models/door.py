"""The one door through which a model changes its state.

The update is conditional: it moves the row only where it still has the state we saw. One row
moved means that it is ours; none means that somebody was first. The event that tells of the
move is written in the same transaction.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import User
from django.utils.translation import gettext as _

from processors.states import Moves

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from processors.models.processor import Processor
    from processors.models.record import Record
    from processors.models.run import Run


class StateConflict(Exception):
    """Somebody else moved the row first, or the move is not allowed from its state."""


@dataclass(frozen=True)
class Actor:
    """Who acts: an operator, or a part of the machine by name."""

    name: str
    user: User | None = None


@dataclass(frozen=True)
class Move:
    """Who moves something, when, and why; what every event must tell."""

    actor: Actor
    now: "datetime"
    reason: str = ""
    operation: "UUID | None" = None

    def telling(self, words: str) -> "Move":
        """The same, with what was done before the person's reason."""
        return replace(self, reason=f"{words}: {self.reason}" if self.reason else words)


def move(instance: "Processor | Run | Record", moves: Moves, to: str, **fields: Any) -> str:
    """Move `instance` from the state it was read in to `to`, writing `fields` with it.

    Returns the state it left. Raises StateConflict when the move is not in the table or when
    the row no longer has that state. To be called in a transaction, with the event after it.
    """
    state = instance.state
    if to not in moves[state]:
        raise StateConflict(
            _("%(thing)s is %(state)s: it cannot become %(to)s.")
            % {"thing": instance, "state": state, "to": to}
        )
    rows = type(instance).objects.filter(pk=instance.pk, state=state)
    if rows.update(state=to, **fields) != 1:
        raise StateConflict(
            _("%(thing)s is no longer %(state)s: somebody was first.")
            % {"thing": instance, "state": state}
        )
    for name, value in {"state": to, **fields}.items():
        if not hasattr(value, "resolve_expression"):
            setattr(instance, name, value)
    return state
