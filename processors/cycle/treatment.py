"""Give one record to its handler and say what became of it."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from django.db import DatabaseError, InterfaceError, connection

from processors import publishing
from processors.backoff import delay_seconds
from processors.cycle.audience import Audience
from processors.handlers import Context, Handler, Record
from processors.handlers.context import Surroundings
from processors.handlers.execution import classify, failed
from processors.handlers.outcomes import MESSAGE_LIMIT, NOT_NOW, Outcome, Verdict
from processors.screening import PublishingError
from processors.sources.base import Claimed, Settlement
from processors.sources.changed import MISSING, is_missing, outcome_of_change
from processors.sources.dialect import TROUBLE, can_pass

# sys.exit() in a handler ends its record, not the worker; only Ctrl-C goes further.
ITS_OWN = (Exception, SystemExit, GeneratorExit, asyncio.CancelledError)
NOT_NOW_SECONDS = 10.0  # until a record is tried again that our database's trouble hit


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how soon a failed record is tried again; seconds."""

    max_attempts: int
    base_seconds: float
    cap_seconds: float

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> "RetryPolicy":
        """A run's."""
        return cls(
            config["max_attempts"], config["backoff_base_seconds"], config["backoff_cap_seconds"]
        )

    def apply(self, claimed: Claimed, outcome: Outcome) -> Outcome:
        """A retry becomes a dead letter after the last attempt, and gets its wait before it."""
        if outcome.kind != "retry":
            return outcome
        if outcome.is_free:
            outcome.after = NOT_NOW_SECONDS if outcome.after is None else outcome.after
            return outcome
        attempt = claimed.attempts + 1
        if attempt >= self.max_attempts:
            outcome.kind = "dead"
        elif outcome.after is None:
            seed = f"{claimed.key}:{claimed.visit}:{attempt}"
            outcome.after = delay_seconds(attempt, self.base_seconds, self.cap_seconds, seed)
        return outcome


@dataclass(frozen=True)
class Treatment:
    """The handler with everything it needs; adds what became of a record to a settlement."""

    handler: Handler
    surroundings: Surroundings
    policy: RetryPolicy
    audience: Audience = field(default_factory=Audience)

    @cached_property
    def function(self) -> Callable[..., Any]:
        """The handler's function, a look-up away instead of two."""
        return self.handler.function

    def begin(self, claimed: Claimed) -> tuple[Record, Context]:
        """What the handler is given."""
        number = claimed.attempts + claimed.crashes + 1
        seen = number > 1 or claimed.maybe_seen
        context = Context(self.surroundings, claimed.key, claimed.visit, number, seen)
        return Record(claimed.key, claimed.payload, number, context), context

    def treat(self, claimed: Claimed, settlement: Settlement) -> None:
        """Call a plain handler."""
        if claimed.is_expired or claimed.payload is MISSING:
            outcome = judged_before(claimed)
            if outcome is not None:
                settlement.others.append((claimed, outcome))
                return
        record, context = self.begin(claimed)
        try:
            given = self.function(record, context)
        except ITS_OWN as error:  # whatever a handler raises is its outcome
            self.note_failure(claimed, context, error, settlement)
            return
        if given is None and context.is_silent:  # by far the most, so without another call
            settlement.done.append((claimed, None))
        else:
            self.note(claimed, context, given, settlement)

    async def treat_async(self, claimed: Claimed, aside: Executor) -> Settlement:
        """Call a coroutine handler; what became of it in a settlement of its own.

        `aside`: where the database may be asked about what was published; no event loop may.
        """
        part = Settlement(0, 0, "", datetime.now(UTC))
        outcome = judged_before(claimed)
        if outcome is not None:
            part.others.append((claimed, outcome))
            return part
        record, context = self.begin(claimed)
        try:
            given = await self.handler.function(record, context)
        except ITS_OWN as error:  # whatever a handler raises is its outcome
            self.note_failure(claimed, context, error, part)
            return part
        if context.outgoing:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(aside, self.note, claimed, context, given, part)
        else:
            self.note(claimed, context, given, part)
        return part

    def treat_together(self, batch: list[Claimed], settlement: Settlement) -> None:
        """Call a batch handler with all of them; it answers with one value each."""
        given: list[tuple[Claimed, Record, Context]] = []
        for claimed in batch:
            outcome = judged_before(claimed)
            if outcome is None:
                given.append((claimed, *self.begin(claimed)))
            else:
                settlement.others.append((claimed, outcome))
        if not given:
            return
        context = given[0][2]
        try:
            answers = list(self.handler.function([record for _, record, _ in given], context))
            if len(answers) != len(given):
                raise ValueError(
                    f"The batch handler answered {len(answers)} times for {len(given)} records."
                )
        except ITS_OWN as error:  # whatever a handler raises is its outcome
            self.note_failed_batch(given, error, settlement)
            return
        for (claimed, _, own), answer in zip(given, answers, strict=True):
            self.note(claimed, own, answer, settlement)

    def note_failed_batch(
        self,
        given: list[tuple[Claimed, Record, Context]],
        error: BaseException,
        settlement: Settlement,
    ) -> None:
        """Nobody can know which of several was at fault: each is tried alone, at once, for free."""
        for claimed, _, context in given:
            if len(given) == 1:
                self.note_failure(claimed, context, error, settlement)
                continue
            outcome = failed(error)
            outcome.alone = outcome.is_free = outcome.kind == "retry"
            outcome.after = outcome.after or 0.0
            settlement.others.append((claimed, self.policy.apply(claimed, outcome)))

    def note(self, claimed: Claimed, context: Context, given: Any, settlement: Settlement) -> None:
        """Add what a handler returned."""
        if context.is_silent and given is None:
            settlement.done.append((claimed, None))
            return
        outcome = classify(given)
        if outcome.kind == "done" and context.outgoing:
            try:  # checked now, where its mistake can still be told
                for target, _, _ in context.outgoing:
                    self.audience.expect(target)
                prepared = [publishing.prepare(*item) for item in context.outgoing]
            except (PublishingError, *TROUBLE) as error:
                self.note_failure(claimed, context, error, settlement)
                return
            settlement.outgoing += [(claimed, item) for item in prepared]
        if outcome.kind == "done" and not context.lines:
            settlement.done.append((claimed, outcome.result))
            return
        self.add(claimed, context, outcome, settlement)

    def note_failure(
        self, claimed: Claimed, context: Context, error: BaseException, settlement: Settlement
    ) -> None:
        """Add what a handler raised."""
        outcome = failed(error)
        if self.handler.effects == "unrepeatable" and not isinstance(error, Verdict):
            # It may have acted before it failed; only `Retry` says that it did not.
            outcome.kind = "parked"
        elif is_ours(error):
            outcome.message = f"{outcome.error_type}: {outcome.message}"[:MESSAGE_LIMIT]
            outcome.error_type, outcome.is_free = NOT_NOW, True
        self.add(claimed, context, outcome, settlement)

    def add(
        self, claimed: Claimed, context: Context, outcome: Outcome, settlement: Settlement
    ) -> None:
        """Add anything but a plain success, with what its handler logged."""
        outcome.log = context.lines
        outcome.duration = context.seconds
        settlement.others.append((claimed, self.policy.apply(claimed, outcome)))


def is_ours(error: BaseException) -> bool:
    """Whether a handler failed because our own database was in trouble that passes.

    A restart, a lock, a deadlock: no fault of the record. Django notes on the connection that an
    error came from it; another database's trouble is the handler's own to judge.
    """
    if not isinstance(error, DatabaseError | InterfaceError) or not can_pass(error):
        return False
    is_ours = connection.errors_occurred
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    return is_ours


def judged_before(claimed: Claimed) -> Outcome | None:
    """An outcome that needs no handler: a row that was changed, a record that expired."""
    if is_missing(claimed):
        return outcome_of_change()
    if claimed.is_expired:
        return Outcome("skipped", error_type="Expired", message="Its time had passed.")
    return None
