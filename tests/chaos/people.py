"""Those who go on with their own business: publishers that insert, operators that click."""

import random
import threading
from abc import abstractmethod
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, InterfaceError, connections

from processors import control, publish
from processors.acts import Act, Refused, by_command_line
from processors.force_stop import force_stop
from processors.models import Processor
from tests.tables import Table

AGAIN_SECONDS = 0.3
LEAVE_SECONDS = 60.0
POISON_EVERY = 400  # records of the flaky processor
INBOXES = ("fast", "slow", "flaky")
TABLES = {"goods": "default", "elsewhere": "shop"}


class Person(threading.Thread):
    """Does one thing after the other until told to leave; `fault` is what ended it early."""

    def __init__(self, name: str, seed: str, seconds: Callable[[random.Random], float]) -> None:
        super().__init__(name=name, daemon=True)
        self.rng = random.Random(f"{seed}:{name}")
        self.fault: BaseException | None = None
        self._seconds = seconds
        self._leaving = threading.Event()

    @abstractmethod
    def act(self) -> None:
        """The next thing."""

    def run(self) -> None:
        try:
            while not self._leaving.wait(self._seconds(self.rng)):
                self.act()
        except BaseException as fault:
            self.fault = fault
            raise
        finally:
            connections.close_all()

    def leave(self) -> None:
        """Finish what is begun; whoever cannot within a minute has a fault."""
        self._leaving.set()
        self.join(LEAVE_SECONDS)
        if self.is_alive():
            self.fault = TimeoutError(f"did not leave within {LEAVE_SECONDS} s")


class Publisher(Person):
    """Inserts records, again and again until the database has said that it has them.

    `sent`: the keys of which it has said so.
    """

    def __init__(self, seed: str, per_second: float) -> None:
        self.records = max(1, round(per_second / 2 / (len(INBOXES) + len(TABLES))))
        self.sent: dict[str, list[str]] = {slug: [] for slug in (*INBOXES, *TABLES)}
        super().__init__("publisher", seed, lambda rng: rng.uniform(0.3, 0.7))

    def act(self) -> None:
        for slug in INBOXES:
            first = len(self.sent[slug])
            keys = [f"{slug}-{n:06}" for n in range(first, first + self.records)]
            items = [{"key": key, "payload": self._payload(slug, key)} for key in keys]
            if self._insist(partial(publish, slug, items)):
                self.sent[slug] += keys
        for slug, alias in TABLES.items():
            first = len(self.sent[slug])
            numbers = range(first, first + self.records)
            if self._insist(partial(insert_rows, alias, numbers)):
                self.sent[slug] += [str(number) for number in numbers]

    def _insist(self, act: Callable[[], object]) -> bool:
        """Repeat through every trouble with the database; whether it was done in the end."""
        while True:
            try:
                act()
            except (DatabaseError, InterfaceError):
                connections.close_all()
                if self._leaving.wait(AGAIN_SECONDS):
                    return False
            else:
                return True

    @staticmethod
    def _payload(slug: str, key: str) -> dict[str, object]:
        if slug == "flaky" and int(key.rpartition("-")[2]) % POISON_EVERY == POISON_EVERY - 1:
            return {"die": "kill"}
        return {}


def insert_rows(alias: str, numbers: range) -> None:
    """As somebody else's program does."""
    table = Table.existing(alias)
    known = {row[0] for row in table.fetch("SELECT id FROM goods WHERE id >= %s", [numbers[0]])}
    table.fill(number for number in numbers if number not in known)


VERBS = ("start", "stop", "pause", "resume", "run_once", "force_stop")
WEIGHTS = (30, 8, 8, 30, 6, 2)


class Operator(Person):
    """Presses buttons; what is not possible now is refused with a sentence, and no more."""

    def __init__(self, name: str, seed: str) -> None:
        self.clicks = 0
        self.refused = 0
        self.failed = 0
        super().__init__(name, seed, lambda rng: rng.uniform(0.5, 3))

    def act(self) -> None:
        verb = self.rng.choices(VERBS, WEIGHTS)[0]
        slug = self.rng.choice((*INBOXES, *TABLES))
        self.clicks += 1
        try:
            self._press(verb, Processor.objects.get(slug=slug))
        except Refused:
            self.refused += 1
        except (DatabaseError, InterfaceError, ObjectDoesNotExist):
            self.failed += 1
            connections.close_all()

    def _press(self, verb: str, processor: Processor) -> None:
        click = by_command_line(f"{self.name} in chaos")
        if verb == "force_stop":
            force_stop(processor.pk, click, typed_name=processor.slug)
        else:
            getattr(control, verb)(processor.pk, click)


def start_everything() -> None:
    """What a person does when the trouble is over."""
    press_everywhere(control.start)


def stop_everything() -> None:
    """What a person does before he looks at the books."""
    press_everywhere(control.stop)


def press_everywhere(verb: Callable[[int, Act], str]) -> None:
    """The same button of every processor; one that is so already says so."""
    for processor in Processor.objects.all():
        with suppress(Refused):
            verb(processor.pk, by_command_line("the chaos is over"))
