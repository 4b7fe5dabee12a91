"""Mode B: an owner who changes random rows all the time makes nothing be handled twice."""

import random
import threading
import time
from collections import Counter
from contextlib import suppress

import pytest
from django.db import OperationalError, connections

from processors import cycle
from processors.models import Batch, Record
from tests.sources.marked.conftest import Deed, begun, look_again, visits
from tests.stories import define, run_here, wait_for_end
from tests.tables import Table

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "shop"])


class Owner:
    """Does to random rows whatever an owner may do, as fast as he can."""

    def __init__(self, goods: Table, keys: range, seed: int) -> None:
        self.goods, self.keys, self.random = goods, keys, random.Random(seed)
        self.asked = Counter[str]()
        self.leaving = threading.Event()
        self.thread = threading.Thread(target=self.meddle)

    def meddle(self) -> None:
        while not self.leaving.is_set():
            key = self.random.choice(self.keys)
            with suppress(OperationalError):  # SQLite: somebody else was writing
                self.random.choice([self.reset, self.reset, self.take, self.finish, self.renew])(
                    key
                )
            time.sleep(0.002)
        connections["shop"].close()

    def reset(self, key: int) -> None:
        self.asked[str(key)] += 1  # before it counts: never fewer than were there
        self.goods.set_status(key, "NEW")

    def take(self, key: int) -> None:
        self.goods.set_status(key, "MINE")

    def finish(self, key: int) -> None:
        self.goods.set_status(key, "DONE")

    def renew(self, key: int) -> None:
        self.goods.run("DELETE FROM goods WHERE id = %s", [key])
        self.asked[str(key)] += 1
        self.goods.fill([key])


def work_and_close(run_id: int) -> None:
    try:
        cycle.work(run_id)
    finally:
        connections.close_all()


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_an_owner_does_nothing_is_handled_twice(
    goods: Table, deeds: dict[str, Deed], seed: int
) -> None:
    keys = range(1, 21)
    goods.fill(keys)
    processor = define("behind", goods.source(), batch_size=4, parallelism=2)
    for key in keys:
        deeds[str(key)] = lambda _: time.sleep(0.002)
    owner = Owner(goods, keys, seed)

    owner.thread.start()
    for _ in range(4):
        run = begun(processor)
        workers = [threading.Thread(target=work_and_close, args=[run.pk]) for _ in range(2)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        wait_for_end(run)
    owner.leaving.set()
    owner.thread.join()
    look_again()
    run_here(processor)

    handled = visits()  # which looks that no idempotency key was handled twice
    assert all(handled[str(key)] <= 1 + owner.asked[str(key)] for key in keys)
    assert set(goods.statuses()) <= {"DONE", "MINE"}
    assert not Record.objects.untold().exists()
    assert not Batch.objects.leased().exists()
