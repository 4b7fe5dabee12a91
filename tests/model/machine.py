"""Hypothesis tells stories of one processor and looks for one that ends badly."""

import sys
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.model.clockwork import Clockwork
from tests.model.reference import Shape
from tests.model.world import Worker, World

EVERY_SHAPE = [
    Shape(),
    Shape(parallelism=1, per_cycle=4),
    Shape(trigger="arrival"),
    Shape(trigger="manual", batch_size=5),
    Shape(effects="unrepeatable", trigger="manual"),
    Shape(source="table"),
    Shape(source="table", per_cycle=4),
    Shape(source="table", trigger="manual", effects="unrepeatable"),
]
SHAPES = st.sampled_from(EVERY_SHAPE)
CHOICES = st.integers(0, 4)
KINDS = st.sampled_from(
    [
        *[("done", 0.0)] * 3,
        ("retry", 0.0),
        ("retry", 6.0),
        ("skipped", 0.0),
        ("dead", 0.0),
        ("parked", 0.0),
    ]
)
OUTCOMES = st.lists(KINDS, max_size=4)
OWNERS = st.sampled_from(["anna's", "ben's"])


class Story(RuleBasedStateMachine):
    """What workers, operators, the clock and senders may do, in any order."""

    clock: Clockwork
    world: World | None = None

    @initialize(shape=SHAPES, number=st.integers(1, 7), started=st.booleans())
    def once_upon_a_time(self, shape: Shape, number: int, started: bool) -> None:
        self.world = World(self.clock, shape)
        self.world.add(number)
        self.world.operate("start" if started else "run_once")

    @property
    def w(self) -> World:
        assert self.world is not None
        return self.world

    @invariant()
    def both_agree(self) -> None:
        if self.world is not None:
            self.world.agree()

    # Senders and the clock

    @rule(
        number=st.integers(1, 3),
        priority=st.sampled_from([0, 0, 5]),
        delay=st.sampled_from([0, 0, 6]),
    )
    def add(self, number: int, priority: int, delay: float) -> None:
        self.w.add(number, priority, delay)

    @rule(choice=CHOICES)
    def reset_row(self, choice: int) -> None:
        self.w.reset_row(choice)

    @rule(seconds=st.sampled_from([0.5, 2, 6, 11, 60, -30]))
    def advance(self, seconds: float) -> None:
        self.w.advance(seconds)

    @rule()
    def tick(self) -> None:
        self.w.tick()

    @rule()
    def expire(self) -> None:
        self.w.expire()

    # Workers

    @rule(owner=OWNERS, hand=st.integers(1, 3))
    def claim(self, owner: str, hand: int) -> None:
        self.w.claim(owner, hand)

    def worker(self, choice: int) -> Worker:
        found = self.w.worker(choice)
        assert found is not None
        return found

    @property
    def has_worker(self) -> bool:
        return self.world is not None and bool(self.world.workers)

    @precondition(lambda self: self.has_worker)
    @rule(choice=CHOICES)
    def heartbeat(self, choice: int) -> None:
        self.w.heartbeat(self.worker(choice))

    @precondition(lambda self: self.has_worker)
    @rule(choice=CHOICES, kinds=OUTCOMES, more=st.booleans(), hand=st.integers(1, 3))
    def commit(self, choice: int, kinds: Any, more: bool, hand: int) -> None:
        self.w.commit(self.worker(choice), kinds, more=more, hand=hand)

    @precondition(lambda self: self.has_worker)
    @rule(choice=CHOICES, kinds=OUTCOMES)
    def leave(self, choice: int, kinds: Any) -> None:
        self.w.commit(self.worker(choice), kinds, leaving=True)

    @precondition(lambda self: self.has_worker)
    @rule(choice=CHOICES)
    def crash(self, choice: int) -> None:
        self.w.crash(self.worker(choice))

    @rule(choice=CHOICES)
    def wake_late(self, choice: int) -> None:
        self.w.wake_late(choice)

    @precondition(lambda self: self.has_worker)
    @rule(choice=CHOICES, kinds=OUTCOMES)
    def sleep_too_long_and_commit(self, choice: int, kinds: Any) -> None:
        worker = self.worker(choice)
        self.w.expire()
        if worker in self.w.workers:
            self.w.commit(worker, kinds)

    @precondition(lambda self: self.has_worker)
    @rule(choice=CHOICES)
    def nearly_lose(self, choice: int) -> None:
        self.w.nearly_lose(self.worker(choice))

    @rule()
    def lose_again_and_again(self) -> None:
        self.w.lose_again_and_again()

    @rule(owner=OWNERS)
    def bury(self, owner: str) -> None:
        self.w.bury(owner)

    @rule(kinds=OUTCOMES)
    def do_one(self, kinds: Any) -> None:
        worker = self.w.claim()
        while worker is not None:
            told = (*kinds, *[("done", 0.0)] * len(worker.todo))[: len(worker.todo)]
            kinds = []  # else what is to be tried again at once never ends
            worker = self.w.commit(worker, told, more=True)
        self.w.end_cycle()

    # Cycles and operators

    @rule()
    def begin_due(self) -> None:
        self.w.begin_due()

    @rule()
    def end_cycle(self) -> None:
        self.w.end_cycle()

    @rule(verb=st.sampled_from(["start", "stop", "pause", "resume", "run_once", "force_stop"]))
    def operate(self, verb: str) -> None:
        self.w.operate(verb)

    @rule(verb=st.sampled_from(["retry", "discard"]))
    def treat_dead(self, verb: str) -> None:
        self.w.treat_dead(verb)

    def teardown(self) -> None:
        has_failed = sys.exc_info()[0] is not None
        if self.world is not None and not has_failed:
            self.world.drain()


def tell_stories(clock: Clockwork, how: settings) -> None:
    """Run the machine. Raises whatever the worst story ended with."""

    class Told(Story):
        pass

    Told.clock = clock
    run_state_machine_as_test(Told, settings=how)
