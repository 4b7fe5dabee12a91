"""The random soup: work goes on while faults strike; then they stop, and everything must end."""

import random
import time
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, connections

from processors.ledger_check import AT_REST, QUESTIONS, check
from processors.models import Run
from tests.chaos import killings, reckoning
from tests.chaos.crew import Crew
from tests.chaos.far_end import FarEnd
from tests.chaos.faults import Striker, kinds
from tests.chaos.people import Operator, Person, Publisher, start_everything, stop_everything
from tests.chaos.plan import Plan
from tests.chaos.processors import make_all
from tests.chaos.scene import Scene
from tests.chaos.site import Site

OPERATORS = 2
LOOK_SECONDS = 0.05
# A lease, two looks of the reaper, the longest back-off, and the turn of every run for a worker's
# whole time: so long may pass on a busy machine until the next record is through.
RECOVERY_SECONDS = 120.0
# Two questions cannot be asked amid faults: whether a lost worker was noticed, while a frozen
# database kept everybody from looking; and of a table that a fault has locked.
ONLY_AT_REST = ("owners_are_alive", "claimed_rows_are_in_hand")
DURING = tuple(question for question in QUESTIONS if question.ask.__name__ not in ONLY_AT_REST)


class Soup:
    """One run of it."""

    check_seconds = 20.0

    def __init__(self, site: Site, plan: Plan) -> None:
        self.site = site
        self.plan = plan
        self.breaches: list[str] = []
        self.recovered_after = 0.0

    def run(self) -> reckoning.Reckoning:
        """From the first record to the reckoning."""
        self.far_end = FarEnd()
        self.prepare()
        try:
            self._boil()
            self._settle()
            return reckoning.reckon(self.publisher.sent, self.far_end)
        finally:
            self.crew.stop()
            self.far_end.close()

    def prepare(self) -> None:
        """Processors, people, processes and what will break them."""
        make_all(self.far_end.url)
        start_everything()
        plan, seed = self.plan, str(self.plan.seed)
        self.publisher = Publisher(seed, plan.per_second)
        self.operators = [Operator(f"operator-{n}", seed) for n in range(OPERATORS)]
        self.crew = Crew(
            self.site, workers=plan.workers, schedulers=plan.schedulers, spared=plan.spared
        )
        scene = Scene(self.site, self.crew, random.Random(f"{seed}:faults"))
        self.striker = Striker(scene, kinds(plan.database), plan.between)

    def turn(self, records: int) -> None:
        """Keep going, and break something when it is time; `records` are open now."""
        self.crew.look_after()
        self.striker.turn(records)

    def _boil(self) -> None:
        """Everybody acts, everything breaks."""
        for person in self.people:
            person.start()
        until = time.monotonic() + self.plan.seconds
        look_at = check_at = time.monotonic()
        records = 0
        while time.monotonic() < until:
            self.turn(records)
            if time.monotonic() >= look_at:
                records = self._count_open(records)
                look_at = time.monotonic() + 1.0
            if time.monotonic() >= check_at + self.check_seconds:
                self._check_now()
                check_at = time.monotonic()
            time.sleep(LOOK_SECONDS)
        self.striker.heal(everything=True)
        for person in self.people:
            person.leave()

    def _count_open(self, last: int) -> int:
        """How many records wait or are in hand; the last number while nobody can tell."""
        try:
            return reckoning.open_records()
        except (DatabaseError, InterfaceError):
            connections.close_all()
            return last

    def _check_now(self) -> None:
        try:
            self.breaches += map(str, check(DURING))
        except (DatabaseError, InterfaceError):
            connections.close_all()

    def _settle(self) -> None:
        """No more faults: what is due must end by itself."""
        connections.close_all()
        begun = time.monotonic()
        start_everything()
        self._wait_while_less(self._count_after_retries)
        self.recovered_after = time.monotonic() - begun
        stop_everything()
        self._wait_while_less(lambda: Run.objects.active().count())
        self.breaches += map(str, check(AT_REST, whole_history=True))
        self.breaches += killings.untold(self.striker.scene.killed.batches)

    @staticmethod
    def _count_after_retries() -> int:
        reckoning.retry_those_set_aside()
        return reckoning.open_records()

    def _wait_while_less(self, count: Callable[[], int]) -> None:
        """Until there are none any more, or there have not been fewer for too long."""
        least, since = count(), time.monotonic()
        while least and time.monotonic() < since + RECOVERY_SECONDS:
            self.crew.look_after()
            time.sleep(LOOK_SECONDS)
            now = count()
            if now < least:
                least, since = now, time.monotonic()

    @property
    def people(self) -> list[Person]:
        return [self.publisher, *self.operators]
