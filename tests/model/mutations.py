"""Small mistakes made one by one in the code that decides about records: which does no test see?

`python -m tests.model.mutations [--sample 40] [MODULE…]` runs the fast tests once to learn which
functions each of them reaches. For each mistake of a sample that is always the same, a forked
process makes it and runs the tests that reach it, the quickest first, until one fails. A mistake
is *seen*, or *lived*, or *hung* (the process used up its time, or died), or *unreached*. What lived
is no mistake, or a test is missing. TEST_DATABASE chooses the database, as for all tests.
"""

import os
import resource
import signal
import sys
import threading
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol
from django.db import connections

from tests.model.mistakes import Mistake, forget, mistakes_in, place_of
from tests.waiting import wait_until

MODULES = (
    *("protocol.leases", "protocol.claiming", "protocol.gate", "protocol.reaping"),
    *("protocol.cycles", "protocol.arming", "protocol.set_times"),
    *("protocol.first_claim", "protocol.at_once", "protocol.refilling", "protocol.arriving"),
    *("protocol.reconciling", "protocol.all_paused", "protocol.faults", "protocol.allowances"),
    *("protocol.lanes", "protocol.book", "protocol.pausing"),
    *("cycle.claims", "cycle.commits", "cycle.treatment", "cycle.judging"),
    *("cycle.shift", "cycle.stretches", "cycle.settling", "cycle.refusals", "cycle.patience"),
    *("cycle.beside", "cycle.hands"),
    *("sources.ledger", "sources.inbox", "sources.foreign", "sources.marked", "sources.table"),
    "sources.user_rows",
)
# Where quick tests of these modules are; learning what others reach would take longer than judging.
ABOUT = (
    *("arrivals", "arriving", "breaker", "broken_sources", "cycles", "first_claim"),
    *("giving_up", "handled_once", "held_rows", "hostile_handlers", "one_commit_each", "outcomes"),
    "outcomes_of_rows",
    *("pause_all", "pauses", "published_by_handlers", "refused_outcomes", "several_at_once"),
    "stop_and_pause",
)
TESTS = (
    *("tests/model/test_interleavings.py", "tests/model/test_deaths.py", "tests/sources/marked"),
    *("tests/cycle", "tests/faulted", "tests/limits", "tests/management/test_copies.py"),
    *(f"tests/test_{name}.py" for name in ABOUT),
)
SAMPLE = 40
CPU_SECONDS = 20  # of one test amid a mistake
TEST_SECONDS = 60  # of the same by the clock: it may wait for what never comes
WALL_SECONDS = 900.0
SLOW_SECONDS = 3.0  # a test that takes longer is left out
CONTROLS = 10  # tests that must pass in a process of their own, without any mistake
PROCESSES = {"environment", "start_worker", "start_scheduler", "manage", "browser"}


@dataclass
class Known:
    """A test, the seconds it takes and the functions it reaches."""

    item: pytest.Item
    seconds: float
    reaches: set[tuple[str, int]]


@dataclass(frozen=True)
class Verdict:
    """Seen, lived, hung, or not reached by any test; the test that saw it."""

    word: str
    by: str = ""


class Mutations:
    """A pytest plugin: runs the mistakes instead of the tests."""

    def __init__(self, modules: list[str], sample: int) -> None:
        self.modules = modules
        self.sample = sample
        self.verdicts: Counter[str] = Counter()
        self.out = os.fdopen(os.dup(1), "w")  # what tests and their logs say is not for us

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """pytest's hook; true: nothing else is to be run."""
        items = [item for item in session.items if is_quick(item)]
        possible = [mistake for name in self.modules for mistake in mistakes_in(name)]
        drawn = draw(possible, self.sample)
        watched = {place for mistake in drawn for place in mistake.reached_by}
        known = sorted(learn(items, watched), key=lambda test: test.seconds)
        self.say(f"{len(known)} tests, {len(drawn)} of {len(possible)} mistakes")
        quickest = [test.item for test in known]
        control = Mistake("nowhere", "nothing", [], "", None)
        found = try_out(control, quickest[:: max(len(quickest) // CONTROLS, 1)])
        assert found.word == "lived", f"{found} without any mistake"
        for mistake in drawn:
            judges = [test.item for test in known if test.reaches & mistake.reached_by]
            self.note(mistake, try_out(mistake, judges))
        self.say(self.score())
        return True

    def say(self, line: str) -> None:
        """At once: the next mistake may take minutes."""
        print(line, file=self.out, flush=True)

    def note(self, mistake: Mistake, verdict: Verdict) -> None:
        """Count it and say it."""
        self.verdicts[verdict.word] += 1
        by = f" (by {verdict.by})" if verdict.by else ""
        self.say(f"{verdict.word}: {mistake.where}: {mistake.what}{by}")

    def score(self) -> str:
        """In one line."""
        told = ", ".join(f"{number} {verdict}" for verdict, number in self.verdicts.most_common())
        return f"of {self.verdicts.total()} mistakes: {told}"


def is_quick(item: pytest.Item) -> bool:
    """Whether it runs in this process, in a few seconds."""
    marked = any(item.get_closest_marker(name) for name in ("slow", "browser", "matrix"))
    return not marked and not PROCESSES & set(getattr(item, "fixturenames", ()))


def draw(found: list[Mistake], sample: int) -> list[Mistake]:
    """The same ones each time, mixed: whoever does not wait for the end has a fair sample too."""
    return sorted(found, key=lambda mistake: mistake.lot)[:sample]


def learn(items: list[pytest.Item], watched: set[tuple[str, int]]) -> Iterator[Known]:
    """Every test that passes, is quick, and reaches any of them."""
    for item in items:
        began = time.process_time()
        forget()
        with noting(watched) as reached:
            is_well = passes(item)
        seconds = time.process_time() - began
        if is_well and reached and seconds < SLOW_SECONDS:
            yield Known(item, seconds, reached)


@contextmanager
def noting(watched: set[tuple[str, int]]) -> Iterator[set[tuple[str, int]]]:
    """Which of the watched functions are called, in any thread."""
    reached: set[tuple[str, int]] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and (place := place_of(frame.f_code)) in watched:
            reached.add(place)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        yield reached
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


def passes(item: pytest.Item) -> bool:
    """Run a test; what belongs to the session stays."""
    reports = runtestprotocol(item, log=False, nextitem=item.session)  # type: ignore[arg-type]
    return all(not report.failed for report in reports)


# The verdict


def try_out(mistake: Mistake, judges: list[pytest.Item]) -> Verdict:
    """What these tests say, in a process of their own."""
    if not judges:
        return Verdict("unreached")
    connections.close_all()
    reading, writing = os.pipe()
    with unharmed():
        pid = os.fork()
        if pid == 0:
            be_judged(mistake, judges, writing)
        os.close(writing)
        word = word_of(pid)
    with os.fdopen(reading) as told:
        return Verdict(word, told.read())


def be_judged(mistake: Mistake, judges: list[pytest.Item], telling: int) -> None:
    """In a process of its own, which ends here: 1 where a test failed."""
    from processors.cycle import manners  # Django is set up by now

    manners.Copy.is_one = False  # it was forked on purpose: a worker's copy would leave at once
    mistake.make()
    for item in judges:
        used = int(time.process_time())
        resource.setrlimit(resource.RLIMIT_CPU, (used + CPU_SECONDS, resource.RLIM_INFINITY))
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(TEST_SECONDS)
        try:
            is_well = passes(item)
        except BaseException:  # noqa: BLE001 - however it ends badly
            is_well = False
        if not is_well:
            os.write(telling, item.nodeid.rpartition("/")[2].encode())
            os._exit(1)
    os._exit(0)


def word_of(pid: int) -> str:
    """How the process ended."""

    def ended() -> list[int]:
        found, status = os.waitpid(pid, os.WNOHANG)
        return [status] if found else []

    try:
        status = wait_until(ended, seconds=WALL_SECONDS, message="hung")[0]
    except AssertionError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return "hung"
    if os.WIFSIGNALED(status):
        return "hung"
    return "seen" if os.WEXITSTATUS(status) else "lived"


@contextmanager
def unharmed() -> Iterator[None]:
    """Whatever a process that was ended left in an SQLite file is gone afterwards."""
    files = [Path(str(each.settings_dict["NAME"])) for each in connections.all()]
    kept = {file: file.read_bytes() for file in files if file.is_file()}
    yield
    for file, content in kept.items():
        for beside in (f"{file}-wal", f"{file}-shm"):
            Path(beside).unlink(missing_ok=True)
        file.write_bytes(content)


def main() -> int:
    """0 where everything was judged."""
    parser = ArgumentParser(prog="python -m tests.model.mutations", description=__doc__)
    parser.add_argument("modules", nargs="*", default=MODULES, help="as protocol.leases")
    parser.add_argument("--sample", type=int, default=SAMPLE, help="how many mistakes")
    parser.add_argument("--tests", nargs="*", default=TESTS, help="files and directories")
    options = parser.parse_args()
    plugin = Mutations(list(options.modules), options.sample)
    quiet = ["-q", "-p", "no:randomly", "--no-header", "-o", "timeout=0"]
    return int(pytest.main([*quiet, *options.tests], plugins=[plugin]))


if __name__ == "__main__":
    sys.exit(main())
