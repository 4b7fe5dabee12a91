"""Several actors on the real database, one statement at a time, in every order.

Each actor is a thread with connections of its own that stops before every statement (on SQLite,
which has one writer: before every transaction and every statement outside of one) and before
every commit. A schedule says who goes next. On Postgres an actor may come to wait for a lock of
another's; it is found waiting there and goes on when it can.

`explore` runs every schedule with at most so many preemptions (switches away from an actor that
could have gone on): few of them find nearly all races (Musuvathi and Qadeer, PLDI 2007).
`kill_everywhere` ends an actor at each of its stops, as SIGKILL would.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg2
from django.db import connections

# What can conflict with nothing, so that stopping there shows no new order. What is asked once
# and cached must not be stopped at: Python 3.11 holds one lock for all that cache the same.
INERT = (
    *("processors_event", "processors_attempt", "django_", "auth_", "SAVEPOINT", "set_config"),
    *("processors_installation", "pg_attribute", "pg_index", "pg_class"),
)
ALIASES = ("default", "shop")
# Whether looks that follow each other are one step.
THRIFTY = int(os.environ.get("MODEL_PREEMPTIONS", "1")) < 2
PATIENCE = 30.0  # seconds after which an actor that neither stops nor waits is a fault


def is_plain_look(sql: str) -> bool:
    """Whether a statement neither writes nor locks."""
    return sql.startswith("SELECT") and " FOR " not in sql and "FOR {" not in sql


class Killed(BaseException):
    """The actor's process ended here."""


@dataclass
class Stop:
    """Where an actor stopped, and which others could have gone on instead."""

    actor: str
    enabled: list[str]
    before: str | None  # who went last


class Actor(threading.Thread):
    """A thread that goes one step when it is told to; it lives for many schedules."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.go, self.settled = threading.Semaphore(0), threading.Event()
        self.act: Callable[[], Any] | None = None
        self.is_done, self.is_closing, self.kill_at = True, False, -1
        self.answer: Any = None
        self.error: BaseException | None = None
        self.pids: list[int] = []
        self.stops: list[str] = []

    def begin(self, act: Callable[[], Any], *, kill_at: int = -1) -> None:
        """Take up an act; it stops before its first statement."""
        self.act, self.is_done, self.kill_at = act, False, kill_at
        self.answer = self.error = None
        self.stops = []
        self.step()

    @property
    def is_killed(self) -> bool:
        """Whether it reached the stop where its process is to end."""
        return 0 <= self.kill_at < len(self.stops)

    def step(self) -> None:
        self.settled.clear()
        self.go.release()

    def run(self) -> None:
        self._connect()
        while True:
            self.settled.set()
            self.go.acquire()
            if self.is_closing:
                break
            assert self.act is not None
            try:
                self.answer = self.act()
            except BaseException as error:  # noqa: BLE001 - told by whoever looks at the actor
                self.error = Killed() if self.is_killed else error
            if self.is_killed:
                self._connect()  # what a dead process had open is rolled back
            self.is_done = True
        connections.close_all()

    def _connect(self) -> None:
        self.pids = []
        for alias in ALIASES:
            own: Any = connections[alias]
            own.close()
            own.ensure_connection()
            own.execute_wrappers[:] = [self._before]
            own._commit = self._committing(own, type(own)._commit)
            if own.vendor == "postgresql":
                self.pids.append(own.connection.get_backend_pid())
                own.connection.cursor().execute("SET synchronous_commit = off")
                # A minute: whoever holds a lock goes on when it is told to, not before.
                own.connection.cursor().execute("SET lock_timeout = '60s'")
                own.connection.commit()
            else:
                own.connection.execute("PRAGMA synchronous = OFF")

    def _committing(self, own: Any, commit: Callable[[Any], None]) -> Callable[[], None]:
        def stopping() -> None:
            if own.vendor == "postgresql" or self.kill_at >= 0:
                self.stop("COMMIT")
            commit(own)

        return stopping

    def _before(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not self._is_inert(sql, context["connection"]):
            self.stop(sql)
        return execute(sql, params, many, context)

    def _is_inert(self, sql: str, own: Any) -> bool:
        is_inside = any(connections[alias].in_atomic_block for alias in ALIASES)
        if is_inside and self.kill_at >= 0:
            return True  # to die here is to die before the commit
        if is_inside and own.vendor == "sqlite":
            return True  # it holds the one lock: nobody else could go
        is_look, was_look = is_plain_look(sql), bool(self.stops) and is_plain_look(self.stops[-1])
        if THRIFTY and is_look and was_look:
            return True  # somebody may come before the first of several looks in a row
        return any(word in sql for word in INERT)

    def stop(self, where: str) -> None:
        """Let the others see this moment."""
        if threading.current_thread() is not self:
            return
        self.stops.append(" ".join(where.split()))
        if self.is_killed:
            raise Killed
        self.settled.set()
        self.go.acquire()


class Stage:
    """Actors and who goes next."""

    def __init__(self, names: Sequence[str]) -> None:
        self.actors = {name: Actor(name) for name in names}
        self.monitor: Any = None
        own: Any = connections["default"]
        if own.vendor == "postgresql":
            own.ensure_connection()
            self.monitor = psycopg2.connect(**own.get_connection_params())
            self.monitor.autocommit = True
        for actor in self.actors.values():
            actor.start()
            self._settle(actor)

    def close(self) -> None:
        for actor in self.actors.values():
            actor.is_closing = True
            actor.step()
            actor.join(PATIENCE)
        if self.monitor:
            self.monitor.close()

    def begin(self, name: str, act: Callable[[], Any]) -> None:
        """Let an actor take up an act; it stops before its first statement."""
        self.actors[name].begin(act)
        self._settle(self.actors[name])

    def go_to(self, name: str, where: str) -> None:
        """Let an actor go on until it is about to do `where` (a statement's beginning)."""
        actor = self.actors[name]
        while not actor.stops[-1].startswith(where):
            assert not actor.is_done, f"{name} never came to {where}: {actor.stops}"
            actor.step()
            assert self._settle(actor), f"{name} waits for a lock at {actor.stops[-1]}"

    def go_on(self, name: str) -> bool:
        """Let an actor go on to its end; False where it waits for somebody's lock."""
        actor = self.actors[name]
        while self._settle(actor):
            if actor.is_done:
                return True
            actor.step()
        return False

    def play(self, acts: "dict[str, Callable[[], Any]]", prefix: Sequence[str]) -> list[Stop]:
        """Run the acts in the order of `prefix`, then each to its end."""
        for name, act in acts.items():
            self.begin(name, act)
        stops: list[Stop] = []
        last: str | None = None
        while unfinished := [name for name in acts if not self.actors[name].is_done]:
            enabled = [name for name in unfinished if self._settle(self.actors[name])]
            enabled = [name for name in enabled if not self.actors[name].is_done]
            if not enabled:
                continue
            wanted = prefix[len(stops)] if len(stops) < len(prefix) else last
            chosen = wanted if wanted in enabled else enabled[0]
            stops.append(Stop(chosen, enabled, last))
            last = chosen
            self.actors[chosen].step()
            self._settle(self.actors[chosen])
        return stops

    def _settle(self, actor: Actor) -> bool:
        """Wait until it stopped; False where it waits for somebody's lock."""
        waited = 0.0
        while not actor.settled.wait(0.002):
            if self._waits_for_lock(actor):
                return actor.settled.is_set()
            waited += 0.002
            if waited > PATIENCE:
                raise AssertionError(f"{actor.name} hangs after {actor.stops[-3:]}")
        return True

    def _waits_for_lock(self, actor: Actor) -> bool:
        if self.monitor is None:
            return False
        with self.monitor.cursor() as cursor:
            cursor.execute(
                "SELECT 1 FROM pg_locks WHERE pid = ANY(%s) AND NOT granted", [actor.pids]
            )
            return cursor.fetchone() is not None


@contextmanager
def stage(*names: str) -> Iterator[Stage]:
    made = Stage(names)
    try:
        yield made
    finally:
        made.close()


@dataclass
class Scene:
    """What is to be explored: the state to begin from, who acts, and what must hold after.

    `prepare` answers with each actor's act; `verify` gets each actor's answer or error.
    """

    prepare: Callable[[], "dict[str, Callable[[], Any]]"]
    verify: Callable[["dict[str, Any]"], None]
    played: int = field(default=0)


def explore(on: Stage, scene: Scene, *, preemptions: int = 2, sample: int | None = None) -> int:
    """Every schedule within the bound; how many there were. Raises what `verify` raises.

    With `sample`, of the ways to leave a schedule only so many, evenly spread over it.
    """
    todo: list[list[str]] = [[]]
    while todo:
        prefix = todo.pop()
        acts = scene.prepare()
        stops = on.play(acts, prefix)
        scene.played += 1
        order = [stop.actor for stop in stops]
        try:
            scene.verify({name: result(on.actors[name]) for name in acts})
        except BaseException as error:
            error.add_note(f"in the order {' '.join(order)}")
            error.add_note("\n".join(f"{n}: {brief(a.stops)}" for n, a in on.actors.items()))
            raise
        ways = list(alternatives(stops, len(prefix), order, preemptions))
        todo += ways[:: max(1, len(ways) // sample)] if sample else ways
    return scene.played


def brief(stops: Sequence[str]) -> list[str]:
    """Statements short enough to be read."""
    return [stop[:70] for stop in stops]


def result(actor: Actor) -> Any:
    """What it answered, or the error it ended with."""
    return actor.error if actor.error is not None else actor.answer


def alternatives(
    stops: list[Stop], fixed: int, order: list[str], bound: int
) -> Iterator[list[str]]:
    """Schedules that differ from one at a later stop than its prefix fixed."""
    for n in range(fixed, len(stops)):
        before = sum(is_preemption(stop, stop.actor) for stop in stops[:n])
        for other in stops[n].enabled:
            if other != stops[n].actor and before + is_preemption(stops[n], other) <= bound:
                yield [*order[:n], other]


def is_preemption(stop: Stop, chosen: str) -> bool:
    """Whether the actor that went last could have gone on, but did not."""
    return stop.before is not None and stop.before != chosen and stop.before in stop.enabled


def kill_everywhere(on: Stage, scene: Scene) -> int:
    """End the one actor of a scene at each of its stops; how many there were."""
    [name] = on.actors
    actor, at = on.actors[name], 0
    while True:
        act = scene.prepare()[name]
        actor.begin(act, kill_at=at)
        while not on._settle(actor) or not actor.is_done:
            actor.step()
        try:
            scene.verify({name: result(actor)})
        except BaseException as error:
            error.add_note(f"killed before {actor.stops[-1:]}")
            raise
        if not actor.is_killed:
            return at
        at += 1
