"""Dry run: the handler treats a few records, and everything it did is rolled back.

Only for handlers with effects="database": all they do lies in the transaction they are given. What
any other handler sends, a dry run would send as well. Records are looked at and not claimed, so
workers go on undisturbed, and even a handler that gets out of its transaction loses none.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError, connection, transaction

from processors.acts import Refused
from processors.clock import database_now
from processors.cycle.manners import BROKEN, Guard, was_replaced
from processors.handlers import Context, Handler
from processors.handlers import Record as Given
from processors.handlers.context import Outgoing, Surroundings
from processors.handlers.outcomes import Outcome
from processors.models import Processor, Record, Run
from processors.protocol.working import Unable, equip, freeze
from processors.sources import open_source
from processors.sources.inspection import next_rows
from processors.testing import call

USUAL, MOST = 10, 100  # records

KeyAndPayload = tuple[str, dict[str, Any]]


@dataclass
class Tried:
    """What would have become of a record."""

    key: str
    outcome: Outcome
    published: list[Outgoing] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether nobody would have to look at it."""
        return self.outcome.kind in ("done", "skipped")


def dry_run(processor: Processor, *, limit: int = USUAL, keys: Sequence[str] = ()) -> list[Tried]:
    """Treat the records that wait first, at most `limit`, or those with these keys.

    Holds a transaction, and with SQLite its only writer, until the last of them was treated.
    Raises Refused where the handler could not be called back, or ended the transaction.
    """
    try:
        equipment = equip(Run(processor=processor, config=freeze(processor)))
    except Unable as error:
        raise Refused(str(error)) from error
    require_harmless(processor, equipment.handler)
    surroundings = Surroundings(
        run_id=0,
        options=equipment.options,
        key_prefix=f"dry-run:{processor.pk}",
        time_limit_seconds=processor.record_timeout_seconds,
        should_stop=lambda: False,
    )
    chosen = chosen_keys(processor, keys) if keys else waiting_first(processor, limit)
    with transaction.atomic():
        tried = [treat(equipment.handler, surroundings, *record) for record in chosen]
        transaction.set_rollback(True)
    return tried


def require_harmless(processor: Processor, handler: Handler) -> None:
    """Raise Refused for a handler whose effects nobody could take back."""
    if handler.effects != "database":
        raise Refused(
            f"Nothing was tried: the handler of {processor} has effects={handler.effects!r}, so "
            "what it does cannot be taken back. Use `processor run … --limit 1`, which does it."
        )


# Which records


def waiting_first(processor: Processor, limit: int) -> Iterator[KeyAndPayload]:
    """Those that a cycle that begins now would take first."""
    if processor.source_kind != "inbox":
        keys = [str(row[0]) for row in next_rows(processor.source, limit)]
        return chosen_rows(processor, keys)
    rows = Record.objects.filter(processor=processor).claimable(database_now())
    return as_given(rows.order_by("-priority", "available_at", "id")[:limit])


def chosen_keys(processor: Processor, keys: Sequence[str]) -> Iterator[KeyAndPayload]:
    """Those with these keys, whatever became of them. Raises Refused for an unknown one."""
    if processor.source_kind != "inbox":
        return chosen_rows(processor, keys)
    rows = Record.objects.filter(processor=processor, key__in=keys)
    missing = set(keys) - set(rows.values_list("key", flat=True))
    if missing:
        raise Refused(f"Nothing was tried: {processor} has no record {min(missing)!r}.")
    return as_given(rows.order_by("id"))


def as_given(rows: Any) -> Iterator[KeyAndPayload]:
    """Records of an inbox."""
    return ((record.key, record.payload or {}) for record in list(rows))


def chosen_rows(processor: Processor, keys: Sequence[str]) -> Iterator[KeyAndPayload]:
    """Rows of a table. Raises Refused for one that is not there."""
    source = open_source(processor.pk, processor.source)
    for key in keys:
        payload = source.look_up(key)
        if payload is None:
            raise Refused(f"Nothing was tried: the table of {processor} has no row {key!r}.")
        yield key, payload


# Treating them


def treat(handler: Handler, surroundings: Surroundings, key: str, payload: dict[str, Any]) -> Tried:
    """One record in a savepoint, as a worker does; only a success shows its effect to the next."""
    raw, guard, savepoint = connection.connection, Guard(), transaction.savepoint()
    context = Context(surroundings, key, 1)
    with connection.execute_wrapper(guard):
        outcome = call(handler, Given(key, payload, 1, context), context)
    if was_replaced(raw):
        raise Refused(given_up(key))
    if guard.has_refused:
        outcome = Outcome("dead", error_type="BrokenTransaction", message=BROKEN)
    outcome.log = context.lines
    try:
        settle(savepoint, keep=outcome.kind == "done")
    except DatabaseError as error:
        raise Refused(given_up(key)) from error
    return Tried(key, outcome, context.outgoing if outcome.kind == "done" else [])


def given_up(key: str) -> str:
    """A handler got out of the transaction that was to be rolled back."""
    return f"The dry run was given up at {key!r}; what was done until then may stay. {BROKEN}"


def settle(savepoint: str, *, keep: bool) -> None:
    """Keep what was done since, for the next record, or undo it. Raises DatabaseError."""
    if keep and not connection.needs_rollback:
        transaction.savepoint_commit(savepoint)
        return
    # A save that failed forbids every statement; the way back is allowed.
    connection.needs_rollback = False
    transaction.savepoint_rollback(savepoint)


def as_json(tried: Tried) -> dict[str, Any]:
    """For programs."""
    outcome = tried.outcome
    return {
        "key": tried.key,
        "outcome": outcome.kind,
        "error": outcome.error_type,
        "message": outcome.message,
        "result": outcome.result,
        "log": outcome.log,
        "published": [{"topic": topic, "key": key} for topic, _payload, key in tried.published],
    }


def as_lines(tried: Tried) -> list[str]:
    """For people."""
    outcome = tried.outcome
    said = ": ".join(part for part in (outcome.error_type, outcome.message) if part)
    if outcome.kind == "done" and outcome.result is not None:
        said = json.dumps(outcome.result, ensure_ascii=False, default=str)
    published = [f"  would publish {key} to {topic}" for topic, _payload, key in tried.published]
    return [
        f"{tried.key}: {outcome.kind}" + (f" – {said}" if said else ""),  # noqa: RUF001 - a dash
        *(f"  {line}" for line in outcome.log),
        *published,
    ]
