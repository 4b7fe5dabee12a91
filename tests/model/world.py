"""The real protocol on the real database, act by act, beside its reference.

Every act is done by both; `World.agree` then compares what each knows, and asks the ledger's own
questions. Wake-ups are counted, not sent: Redis is a far end here.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import DatabaseError, transaction

from processors import control, dead_letters, definitions, maintenance, publish
from processors.acts import Refused, by_command_line
from processors.force_stop import force_stop
from processors.handlers.outcomes import Outcome
from processors.models import Processor, Run
from processors.protocol import claiming, cycles, leases, reaping
from processors.protocol.gate import Ask, pass_gate
from processors.protocol.leases import Lease, LeaseLost, Step
from processors.protocol.working import source_of
from processors.sources.base import Settlement, Source
from processors.states import CloseReason
from tests.handling.models import Effect
from tests.model.agreement import Disagreement, ask_ledger, compare, same
from tests.model.clockwork import BEGINNING, Clockwork
from tests.model.laboratory import empty_database
from tests.model.reference import LEASE, PAUSE, Hand, Reference, Shape
from tests.tables import Table


@dataclass
class Worker:
    """A worker with a batch: what it holds, and what of that it has begun."""

    lease: Lease
    hand: Hand
    source: Source
    todo: list[str] = field(default_factory=list)


class World:
    """A processor with its workers and operators; every act checks its own answer."""

    def __init__(self, clock: Clockwork, shape: Shape) -> None:
        empty_database()
        clock.set(BEGINNING)
        self.clock = clock
        self.shape = shape
        self.reference = Reference(shape, clock.now)
        self.goods = None if shape.is_inbox else Table()
        self.processor = self._define()
        self.act = by_command_line("a story")
        self.workers: list[Worker] = []
        self.crashed: list[Worker] = []
        self.number = 0
        self.went_back = False

    def _define(self) -> Processor:
        shape = self.shape
        trigger: dict[str, Any] = {"kind": shape.trigger}
        if shape.trigger == "interval":
            trigger["pause_seconds"] = PAUSE
        handler = {"database": "effect", "unrepeatable": "unrepeatable"}[shape.effects]
        definition = {
            "slug": "story",
            "name": "Story",
            "handler": f"handling.{handler}",
            "source": self.goods.source(error="error") if self.goods else {"kind": "inbox"},
            "trigger": trigger,
            "parallelism": shape.parallelism,
            "batch_size": shape.batch_size,
            "records_per_cycle": shape.per_cycle,
            "breaker": {"on": False},  # stories have crash after crash
        }
        made = Processor.objects.create(**definitions.clean(definition))
        Processor.objects.update(changed_at=BEGINNING, created_at=BEGINNING)
        return made

    # Records arrive

    def add(self, number: int, priority: int = 0, delay: float = 0) -> None:
        for _ in range(number):
            self.number += 1
            key = str(self.number)
            # What is published is taken up after its commit, so the reference is first.
            if self.goods:
                self.goods.fill([self.number])
                self.reference.add(key)
                continue
            later = self.clock.now.fromtimestamp(
                self.clock.now.timestamp() + delay, self.clock.now.tzinfo
            )
            self.reference.add(key, priority, delay)
            item = {"key": key, "payload": {}, "priority": priority, "available_at": later}
            publish(self.processor.slug, [item])

    def reset_row(self, choice: int) -> None:
        """The owner of the table wants a finished row handled again."""
        done = [row.key for row in self.reference.rows.values() if row.state == "done"]
        if self.goods and done:
            key = done[choice % len(done)]
            self.goods.run("UPDATE goods SET status = 'NEW' WHERE id = %s", [int(key)])
            self.reference.reset(key)

    # Time

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.went_back |= seconds < 0
        self.reference.now = self.clock.now

    def tick(self) -> None:
        maintenance.tick()
        self.reference.tick()

    def expire(self) -> None:
        """Silence for so long that whoever is silent is given up."""
        self.advance(LEASE + 1)
        self.tick()
        self.advance(LEASE / 4 + 0.5)
        self.tick()

    def nearly_lose(self, worker: Worker) -> None:
        """One look finds it silent, then it beats: both strikes begin anew."""
        self.advance(LEASE + 1)
        self.tick()
        if worker in self.workers:
            self.heartbeat(worker)

    def lose_again_and_again(self) -> None:
        """Whatever is claimed ends its worker, until it is dead."""
        for _ in range(4):
            worker = self.claim()
            if worker is not None:
                self.crash(worker)
            self.expire()
            self.advance(31)
            self.tick()

    # Workers

    def claim(self, owner: str = "w", hand: int = 2) -> Worker | None:
        cycle = self.reference.active
        if cycle is None:
            return None
        run_row = Run.objects.select_related("processor").get(seq=cycle.seq)
        source = source_of(run_row)
        ask = Ask(run_row.pk, owner, hand, ledger_only=run_row.config["ledger_only"])
        expected = self.reference.may_claim(cycle)
        lease = claiming.claim(source, ask)
        return self._took(lease, source, expected)

    def _took(
        self, lease: Lease | None, source: Source, expected: Sequence[Any], slot: int | None = None
    ) -> Worker | None:
        """What was claimed must be what may be, in order, at least all of one priority."""
        got = [claimed.key for claimed in lease.claimed] if lease else []
        keys = [row.key for row in expected]
        level = [row.key for row in expected if row.priority == expected[0].priority]
        if got not in (keys, level):
            raise Disagreement(f"claimed {got}, but {keys} was to be claimed")
        if lease is None:
            return None
        cycle = self.reference.active
        assert cycle is not None
        for claimed in lease.claimed:
            row = self.reference.rows[claimed.key]
            if not self.reference.waits_as_new(row):
                same(
                    f"tries of {row.key}",
                    (claimed.attempts, claimed.crashes),
                    (row.attempts, row.crashes),
                )
        hand = self.reference.claim(cycle, lease.owner, got, lease.in_hand, slot)
        worker = Worker(lease, hand, source, got)
        self.workers.append(worker)
        return worker

    def worker(self, choice: int) -> Worker | None:
        return self.workers[choice % len(self.workers)] if self.workers else None

    def heartbeat(self, worker: Worker) -> None:
        expected = self.reference.heartbeat(worker.hand)
        try:
            leases.heartbeat(worker.lease, self.clock.now)
        except LeaseLost:
            self._lost("a heartbeat", worker, expected=expected)
            return
        self._held("a heartbeat", expected=expected)

    def _lost(self, what: str, worker: Worker, *, expected: bool) -> None:
        if expected:
            raise Disagreement(f"{what} was refused to the worker that holds the batch")
        self.workers.remove(worker)

    def _held(self, what: str, *, expected: bool) -> None:
        if not expected:
            raise Disagreement(f"{what} of a worker that lost its batch was taken")

    def commit(
        self,
        worker: Worker,
        kinds: Sequence[tuple[str, float]],
        *,
        leaving: bool = False,
        more: bool = False,
        hand: int = 1,
    ) -> Worker | None:
        """Outcomes for the first records, and what follows: the end, or another batch."""
        keys = worker.todo[: len(kinds)]
        outcomes = dict(zip(keys, kinds, strict=False))
        rest = worker.todo[len(keys) :]
        close = "" if rest and not leaving else ("released" if rest else "completed")
        expected = self.reference.commit(worker.hand, outcomes, hand, close)
        slot, following = worker.lease.slot, None
        # In the same transaction, so that what was just given back is seen.
        wanted = (
            self.reference.may_claim(worker.hand.cycle, slot) if close and more and expected else []
        )
        try:
            with transaction.atomic(durable=True):
                gate = self._gate(worker) if close and more else None
                self._write(worker, outcomes, rest, close, hand)
                if gate:
                    ask = self._ask(worker)
                    following = claiming.claim_inside(worker.source, ask, gate)
        except LeaseLost:
            self._lost("a commit", worker, expected=expected)
            return None
        except (DatabaseError, LookupError) as error:
            raise Disagreement(f"a commit passed the fence and broke: {error}") from error
        self._held("a commit", expected=expected)
        worker.lease.settled += len(outcomes)
        worker.todo = rest
        if close:
            self.workers.remove(worker)
        if close and more:
            return self._took(following, worker.source, wanted, slot)
        return None

    def _ask(self, worker: Worker) -> Ask:
        lease = worker.lease
        return Ask(lease.run_id, lease.owner, 2, lease.slot, worker.hand.cycle.ledger_only)

    def _gate(self, worker: Worker) -> Any:
        alone = worker.hand.cycle.limit is not None or worker.source.has_position
        return pass_gate(self._ask(worker), alone=alone)

    def _write(
        self,
        worker: Worker,
        outcomes: dict[str, tuple[str, float]],
        rest: list[str],
        close: str,
        hand: int,
    ) -> None:
        lease = worker.lease
        settlement = Settlement(lease.batch_id, lease.run_id, lease.owner, self.clock.now)
        by_key = {claimed.key: claimed for claimed in lease.claimed}
        for key, (kind, wait) in outcomes.items():
            if kind == "done":
                settlement.done.append((by_key[key], None))
                Effect.objects.create(key=key, idempotency_key=key, run=0, pid=0, begun_at=0)
            else:
                outcome = Outcome(kind, message=f"{kind} {key}", error_type="Told", after=wait)  # type: ignore[arg-type]
                settlement.others.append((by_key[key], outcome))
        refs = [by_key[key].ref for key in rest]
        if close:
            step = Step(settlement, refs, close=CloseReason(close))
        else:
            step = Step(settlement, settled_to=lease.size - len(rest), in_hand=min(hand, len(rest)))
        leases.commit_inside(worker.source, lease, step)

    def crash(self, worker: Worker) -> None:
        """It is not heard of again, unless as one that wakes up late."""
        self.workers.remove(worker)
        self.crashed.append(worker)

    def wake_late(self, choice: int) -> None:
        """A worker that was silent goes on as if nothing had happened."""
        if self.crashed:
            self.workers.append(self.crashed.pop(choice % len(self.crashed)))

    def bury(self, owner: str) -> None:
        """The parent of a process saw it end."""
        reaping.take_from_dead(owner)
        self.reference.take_from_dead(owner)

    # Cycles

    def begin_due(self) -> None:
        expected = self.reference.begin_due()
        same("begin_due", cycles.begin_due(self.processor.pk) is not None, expected)

    def end_cycle(self) -> None:
        cycle = self.reference.active
        if cycle:
            real = cycles.end_cycle(Run.objects.get(seq=cycle.seq).pk)
            same("end_cycle", real, self.reference.end_cycle(cycle))

    # Operators

    def operate(self, verb: str) -> None:
        expected = getattr(self.reference, verb)()
        try:
            if verb == "force_stop":
                force_stop(self.processor.pk, self.act, typed_name="story")
            else:
                getattr(control, verb)(self.processor.pk, self.act)
            real = True
        except Refused:
            real = False
        same(verb, real, expected)

    def treat_dead(self, verb: str) -> None:
        act = getattr(dead_letters, verb)
        moved = act(self.processor.pk, self.act, dead_letters.Selection())
        same(verb, moved, getattr(self.reference, f"{verb}_dead")())

    # The end

    def agree(self) -> None:
        compare(self.reference, self.goods)

    def drain(self) -> None:
        """Faults stop; then everything that is due must come to its end (I15)."""
        ask_ledger(ticked=False, went_back=self.went_back)
        for worker in list(self.workers):
            self.crash(worker)
        self.expire()
        self.agree()
        if self.reference.state != "started":
            self.operate("start")
        for _ in range(60):
            if not self.reference.active and not self.waiting():
                break
            self.advance(11)
            self.tick()
            self.agree()
            while (found := self.claim()) is not None:
                self.commit(found, [("done", 0)] * len(found.todo))
            self.end_cycle()
            if self.shape.trigger == "manual" and not self.reference.active and self.waiting():
                self.operate("run_once")
        same("what waits in the end", self.waiting(), [])
        self.agree()
        ask_ledger(ticked=True, went_back=self.went_back)

    def waiting(self) -> list[str]:
        rows = self.reference.rows.values()
        return [row.key for row in rows if row.state in ("ready", "claimed")]
