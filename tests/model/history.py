"""A story told from a seed, and the history it leaves, in words that name no id and no database.

`python -m tests.model.history SEED…` tells them on a database of its own and prints them as JSON:
how a test on one database learns what the other one does.
"""

import json
import logging
import os
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests import bootstrap

STEPS = 40
KINDS = [("done", 0.0), ("done", 0.0), ("retry", 0.0), ("retry", 6.0), ("skipped", 0.0)]
KINDS += [("dead", 0.0), ("parked", 0.0)]
SECONDS = [0.5, 2, 6, 11, 60, -30]
VERBS = ["start", "stop", "pause", "resume", "run_once", "force_stop"]


def tell(clock: Any, seed: int) -> list[str]:
    """The history of a story of so many steps, drained in the end."""
    from tests.model.machine import EVERY_SHAPE
    from tests.model.world import World

    chance = random.Random(seed)
    world = World(clock, EVERY_SHAPE[seed % len(EVERY_SHAPE)])
    world.add(5)
    world.operate("start")
    for _ in range(STEPS):
        take_step(world, chance)
        world.agree()
    world.drain()
    return visible_history()


def take_step(world: Any, chance: random.Random) -> None:
    """Anything that may happen, by chance."""
    owner, hand = chance.choice(["anna's", "ben's"]), chance.randint(1, 3)
    kinds = chance.choices(KINDS, k=chance.randint(0, 4))
    worker = world.worker(chance.randint(0, 4))
    steps: list[tuple[int, Callable[[], Any]]] = [
        (3, lambda: world.add(chance.randint(1, 3))),
        (1, lambda: world.reset_row(chance.randint(0, 4))),
        (3, lambda: world.advance(chance.choice(SECONDS))),
        (2, world.tick),
        (1, world.expire),
        (6, lambda: world.claim(owner, hand)),
        (1, lambda: world.wake_late(chance.randint(0, 4))),
        (1, lambda: world.bury(owner)),
        (1, world.end_cycle),
        (1, world.lose_again_and_again),
        (2, lambda: world.operate(chance.choice(VERBS))),
        (1, lambda: world.treat_dead(chance.choice(["retry", "discard"]))),
    ]
    if worker is not None:
        more, leaving = chance.random() < 0.5, chance.random() < 0.2
        steps += [
            (1, lambda: world.heartbeat(worker)),
            (8, lambda: world.commit(worker, kinds, more=more, leaving=leaving, hand=hand)),
            (1, lambda: world.crash(worker)),
            (1, lambda: world.nearly_lose(worker)),
        ]
    weights = [weight for weight, _ in steps]
    chance.choices([step for _, step in steps], weights)[0]()


def visible_history() -> list[str]:
    """Attempts, events, runs and records, each as a line, in an order that both keep."""
    from processors.models import Attempt, Event, Record, Run
    from processors.states import COUNTERS

    runs = Run.objects.order_by("seq").values_list("seq", "state", "trigger", *COUNTERS)
    events = Event.objects.order_by("id").values_list(
        "action", "subject", "from_state", "to_state", "reason", "at", "run__seq", "record__key"
    )
    attempts = Attempt.objects.order_by("at", "record__key", "id").values_list(
        "record__key", "number", "outcome", "error_type", "message", "fingerprint", "owner", "at"
    )
    records = Record.objects.order_by("key").values_list(
        "key", "state", "attempts", "crashes", "maybe_seen", "last_error", "settled_at"
    )
    kinds: Sequence[tuple[str, Any]] = [
        *[("run", row) for row in runs],
        *[("event", row) for row in events],
        *[("attempt", row) for row in attempts],
        *[("record", row) for row in records],
    ]
    return [f"{kind} {' | '.join(map(str, row))}" for kind, row in kinds]


@contextmanager
def database() -> Iterator[Any]:
    """A clock on a database that is made for it, in a process of its own."""
    import django

    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"  # which bootstrap took away
    django.setup()
    from django.test.utils import setup_databases, setup_test_environment, teardown_databases

    from tests.model.laboratory import laboratory

    logging.disable(logging.CRITICAL)
    setup_test_environment()
    if bootstrap.POSTGRES is not None:
        bootstrap.POSTGRES.start()
    made = setup_databases(verbosity=0, interactive=False)
    with laboratory() as clock:
        yield clock
    teardown_databases(made, verbosity=0)


def main(seeds: Sequence[int]) -> None:
    """Histories of these seeds as JSON."""
    with database() as clock:
        print(json.dumps({seed: tell(clock, seed) for seed in seeds}))


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]])
