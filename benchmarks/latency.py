"""From a record's commit, and from the call of `publish`, to the handler's start on an idle
processor; for Celery from the call of `delay`, and from before the row that a task is to read is
stored."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median, quantiles

from benchmarks import product
from benchmarks.databases import Goods
from benchmarks.findings import Finding, say
from benchmarks.labour import moment_file
from benchmarks.product import Setup
from benchmarks.rivals.assignment import Assignment
from benchmarks.servers import Site, open_site
from tests.servers import ROOT
from tests.waiting import wait_until

# Long enough for everybody to be idle, and random, so that no rhythm of theirs is met by chance.
APART_SECONDS = (0.1, 0.3)
CELERY = "celery -A benchmarks.rivals.celery_app worker --pool prefork --concurrency 2"


def measure(count: int, database: str) -> Finding:
    """The product first, then Celery, both with two idle workers and nothing else running."""
    with open_site(database) as site:
        committed, called = of_product(site, count)
        say(f"Recordmill: median {median(committed) * 1000:.1f} ms from the commit")
        plain = of_celery(site, count, "celery-moments")
        say(f"Celery: median {median(plain) * 1000:.1f} ms")
        Goods(site.open_database()).empty()
        stored = of_celery(site, count, "celery-row-moments")
        say(f"Celery with a row: median {median(stored) * 1000:.1f} ms")
    rows = [
        row("Recordmill, record committed → handler", committed),
        row("Recordmill, publish called → handler", called),
        row("Celery, delay called → task", plain),
        row("Celery, row to be stored → task has read it", stored),
    ]
    note = (
        f"Medians: from the call of `publish` {median(called) / median(plain):.2f} times a plain "
        f"message of Celery's, {median(called) / median(stored):.2f} times one that is sent after "
        f"its row's commit; from the record's commit {median(committed) / median(plain):.2f} times "
        "a plain one. `publish` stores the record and begins the cycle in one commit, and the "
        "record is claimed before its handler starts. Celery's plain message is stored nowhere but "
        "in Redis. With a row, as its documentation advises: the row is committed, its number is "
        "sent, and the task reads it; hand-written SQL, and nothing notes that it was taken."
    )
    title = f"latency of {count} records, one at a time, idle processor, {database}"
    return Finding("latency", title, ["", "p50 ms", "p99 ms", "max ms"], rows, [note])


def row(name: str, seconds: list[float]) -> list[str | float | None]:
    parts = quantiles(seconds, n=100, method="inclusive")
    return [name, *(round(part * 1000, 2) for part in (parts[49], parts[98], max(seconds)))]


def of_product(site: Site, count: int) -> tuple[list[float], list[float]]:
    """Seconds for each record: from its commit, and from the call."""
    trace = str(site.new_directory("moments"))
    setup = Setup("inbox", "moment", trace=trace, trigger="arrival")
    product.load(site, setup)
    site.manage("processor", "start", setup.slug)
    with site.workers(2):
        output = site.python("-m", "benchmarks.driving", "moments", setup.slug, trace, str(count))
    seconds = [float(word) for word in output.split()]
    return seconds[0::2], seconds[1::2]


def of_celery(site: Site, count: int, how: str) -> list[float]:
    """Seconds for each message; `how` names one of `rivals/sending.py`."""
    trace = str(site.new_directory("moments"))
    told = Assignment(site.database_url, site.redis.url, trace=trace).in_environment()
    command = [sys.executable, "-m", *CELERY.split(), "--loglevel", "INFO"]
    with site.processes(command, 1, "ready.", **told):
        sender = [sys.executable, "-m", "benchmarks.rivals.sending", how, str(count)]
        done = subprocess.run(
            sender,
            cwd=ROOT,
            env=site.environment | told,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
    return [float(line) for line in done.stdout.split()]


# In the sender's process: see driving.py and rivals/sending.py


def send_each(
    count: int, directory: str, send: Callable[[str], float | None], is_idle: Callable[[], bool]
) -> None:
    """One at a time, each to idle workers; prints how many seconds each took to begin.

    Where `send` returns the time of its commit, the seconds from then come first.
    """
    for number in range(count):
        wait_until(is_idle)
        time.sleep(random.uniform(*APART_SECONDS))
        called, path = time.time(), moment_file(directory, str(number))
        committed = send(str(number))
        wait_until(path.exists)
        began = float(path.read_text())
        if committed is not None:
            print(began - committed)
        print(began - called)
