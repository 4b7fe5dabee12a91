"""Hands by themselves: what they take up, leave alone and tell."""

import asyncio
import threading
from collections.abc import Mapping
from concurrent.futures import Executor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import cast

import pytest

from processors.cycle.hands import Coroutines, Hands, Threads
from processors.cycle.treatment import Treatment
from processors.cycle.watch import Desk
from processors.sources.base import Claimed, Ref, Settlement
from tests.waiting import PATIENCE_SECONDS, wait_until


class Holding:
    """A treatment that holds every record until it is told to let go."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def treat(self, claimed: Claimed, settlement: Settlement) -> None:
        assert self.let_go.wait(PATIENCE_SECONDS)

    async def treat_async(self, claimed: Claimed, _: Executor) -> Settlement:
        assert await asyncio.to_thread(self.let_go.wait, PATIENCE_SECONDS)
        return Settlement(0, 0, "", datetime.now(UTC))


def is_of_size(begun: Mapping[Ref, float], count: int) -> bool:
    return len(begun) == count


@pytest.mark.parametrize("kind", [Threads, Coroutines])
def test_a_limit_that_was_changed_holds_for_what_is_begun_next(kind: type[Hands]) -> None:
    desk, holding = Desk(), Holding()
    hands = kind(cast("Treatment", holding), desk)
    for count in (2, 5, 1):
        holding.let_go.clear()
        hands.resize(count)
        given = [Claimed(n, str(n), {}, 1) for n in range(12)]
        hands.begin(given)
        wait_until(partial(is_of_size, desk.begun, count), message="too few are begun")

        left = hands.withdraw()

        # Hands note what they have taken beside each other.
        assert [*sorted(map(int, desk.begun)), *(one.ref for one in left)] == list(range(12))
        holding.let_go.set()
        while desk.begun:
            for claimed, _ in hands.collect(PATIENCE_SECONDS):
                del desk.begun[claimed.ref]
    hands.close()


def test_threads_that_were_told_to_end_do_so_although_what_was_before_them_is_withdrawn() -> None:
    desk, holding = Desk(), Holding()
    hands = Threads(cast("Treatment", holding), desk)
    hands.resize(3)
    hands.begin([Claimed(n, str(n), {}, 1) for n in range(5)])
    wait_until(partial(is_of_size, desk.begun, 3), message="too few are begun")

    hands.resize(1)
    left = hands.withdraw()
    holding.let_go.set()

    assert [claimed.ref for claimed in left] == [3, 4]
    wait_until(
        lambda: sum(thread.is_alive() for thread in hands._threads) == 1,
        message="more than one goes on",
    )
    hands.close()


@pytest.mark.parametrize("kind", [Threads, Coroutines])
def test_nothing_is_begun_any_more_where_the_process_is_about_to_end(kind: type[Hands]) -> None:
    desk = Desk(is_ending=True)
    hands = kind(cast("Treatment", None), desk)  # which a record that is begun would ask for
    hands.resize(1)

    hands.begin([Claimed(1, "1", {}, 1)])

    wait_until(lambda: desk.begun, message="nobody looked at it")
    hands.close()
    assert not hands.collect(0)


class Breaking:
    """A treatment with a mistake of ours in it."""

    def treat(self, claimed: Claimed, settlement: Settlement) -> None:
        raise AssertionError(claimed.key)

    async def treat_async(self, claimed: Claimed, _: Executor) -> Settlement:
        raise AssertionError(claimed.key)


@pytest.mark.parametrize("kind", [Threads, Coroutines])
def test_what_befalls_a_hand_is_told_at_once(kind: type[Hands]) -> None:
    """And not at the record's time limit, as if it hung."""
    hands = kind(cast("Treatment", Breaking()), Desk())
    hands.resize(1)

    hands.begin([Claimed(1, "mistaken", {}, 1)])

    with pytest.raises(AssertionError, match="mistaken"):
        hands.collect(PATIENCE_SECONDS)
    hands.close()


class Exiting:
    """A treatment whose handler has a task of its own, which exits."""

    async def treat_async(self, claimed: Claimed, _: Executor) -> Settlement:
        with suppress(SystemExit):
            await asyncio.gather(self.leave())
        return Settlement(0, 0, "", datetime.now(UTC))

    async def leave(self) -> None:
        raise SystemExit


def test_a_task_that_exits_ends_nothing_but_itself() -> None:
    hands = Coroutines(cast("Treatment", Exiting()), Desk())
    hands.resize(1)

    hands.begin([Claimed(n, str(n), {}, 1) for n in range(3)])
    left = 3
    while ended := hands.collect(PATIENCE_SECONDS if left else 0):
        left -= len(ended)

    assert left == 0
    hands.close()
