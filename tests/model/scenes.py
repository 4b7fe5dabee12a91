"""Small scenes of one inbox for tests in which several act, or one dies, at a chosen moment."""

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import transaction

from processors import control, editing, publish
from processors.acts import Refused
from processors.clock import database_now
from processors.handlers.outcomes import Outcome
from processors.ledger_check import QUESTIONS, check
from processors.models import Batch, Processor, Run
from processors.protocol import claiming, cycles, first_claim, leases, reaping
from processors.protocol.gate import Ask
from processors.protocol.leases import Lease, LeaseLost, Step
from processors.protocol.working import source_of
from processors.publishing import Published
from processors.sources.base import Settlement
from processors.states import CloseReason
from tests.handling.models import Effect
from tests.model.laboratory import empty_database
from tests.model.stepwise import Scene, Stage, explore
from tests.stories import act, define, fill_inbox, numbered

LONG_AGO, JUST_NOW = timedelta(hours=1), timedelta(seconds=1)
# Preemptions that are tried: one more where the fence and the gates are, more on demand.
BRIEF = int(os.environ.get("MODEL_PREEMPTIONS", "1"))
THOROUGH = BRIEF + 1


def sound() -> None:
    """What the ledger itself asks, without a look at the schema, which is slow."""
    assert check([q for q in QUESTIONS if q.ask.__name__ != "keys_are_unique"]) == []


class Story:
    """An inbox with a few records; every verb of it is an actor's whole act."""

    def __init__(self, records: int = 3, **definition: Any) -> None:
        empty_database()
        definition = {"trigger": {"kind": "interval", "pause_seconds": 1}} | definition
        self.processor = define("effect", batch_size=2, **definition)
        fill_inbox(self.processor, numbered(records))
        self.by = act()

    @property
    def run(self) -> Run:
        return Run.objects.latest("seq")

    def due(self) -> "Story":
        """Started, and its time has come."""
        Processor.objects.update(
            state="started", next_due_at=database_now() - LONG_AGO, next_slot_at=None
        )
        slot = database_now() - LONG_AGO
        Processor.objects.update(next_slot_at=slot)
        return self

    def running(self) -> "Story":
        cycles.begin_due(self.due().processor.pk)
        return self

    def through(self) -> "Story":
        """A run that nothing is left to do in."""
        self.running()
        while lease := self.claim():
            self.commit(lease)
        return self

    def silent(self) -> "Story":
        """The one batch of the run is to be taken from its worker."""
        Batch.objects.leased().update(
            lease_until=database_now() - JUST_NOW, suspect_heartbeats=0, heartbeats=0
        )
        return self

    # Acts

    def begin_due(self) -> bool:
        return cycles.begin_due(self.processor.pk) is not None

    def end_cycle(self) -> bool:
        return cycles.end_cycle(self.run.pk)

    def claim(self) -> Lease | None:
        run = self.run
        ask = Ask(run.pk, "worker", 1, ledger_only=run.config["ledger_only"])
        return claiming.claim(source_of(run), ask)

    def claim_first(self) -> Lease | None:
        """As a shift begins: in one statement where that can be."""
        run = self.run
        ask = Ask(run.pk, "worker", 1, ledger_only=run.config["ledger_only"])
        return first_claim.claim(source_of(run), ask)

    def publish(self, key: str) -> Published:
        return publish(self.processor.slug, [{"key": key, "payload": {}}])

    def commit(self, lease: Lease, *, kind: str = "done") -> str:
        """The whole batch, with an effect for each record in the same transaction."""
        run = self.run
        settlement = Settlement(lease.batch_id, run.pk, lease.owner, database_now())
        for claimed in lease.claimed:
            if kind == "done":
                settlement.done.append((claimed, None))
            else:
                settlement.others.append((claimed, Outcome("retry", message="x", after=0.0)))
        try:
            with transaction.atomic(durable=True):
                Effect.objects.bulk_create(effect_of(c.key) for c in lease.claimed)
                step = Step(settlement, close=CloseReason.COMPLETED)
                leases.commit_inside(source_of(run), lease, step)
        except LeaseLost:
            return "lost"
        return "committed"

    def beat(self, lease: Lease) -> str:
        try:
            leases.heartbeat(lease, database_now())
        except LeaseLost:
            return "lost"
        return "beaten"

    def reap(self) -> int:
        return reaping.reap(database_now())

    def limit(self, rate_limits: list[str]) -> None:
        numbers = {"parallelism": 2, "concurrency": 1, "batch_size": 2, "pause_seconds": 1}
        editing.tune(self.processor.pk, numbers | {"rate_limits": rate_limits}, self.by)

    def operate(self, verb: str) -> str:
        try:
            return str(getattr(control, verb)(self.processor.pk, self.by))
        except Refused as refused:
            return f"refused: {refused}"


def effect_of(key: str) -> Effect:
    return Effect(key=key, idempotency_key=key, run=0, pid=0, begun_at=0)


def no_error(answers: dict[str, Any]) -> None:
    for name, answer in answers.items():
        if isinstance(answer, BaseException):
            raise AssertionError(f"{name} failed: {answer!r}") from answer  # noqa: TRY004


Make = Callable[[], "tuple[Story, dict[str, Callable[[], Any]]]"]


def play(
    two: Stage,
    make: Make,
    verify: Callable[[Story, dict[str, Any]], None],
    *,
    preemptions: int = BRIEF,
) -> int:
    """Explore what `make` sets up; the ledger must be sound after each."""
    story: list[Story] = []

    def prepare() -> dict[str, Callable[[], Any]]:
        made, acts = make()
        story[:] = [made]
        return acts

    def verified(answers: dict[str, Any]) -> None:
        no_error(answers)
        verify(story[0], answers)
        sound()

    return explore(two, Scene(prepare, verified), preemptions=preemptions)
