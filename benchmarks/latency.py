"""From a record's commit, and from the call of `publish`, to the handler's start on an idle
processor; from the call of `delay` for Celery."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import median, quantiles

from benchmarks import product
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
        theirs = of_celery(site, count)
        say(f"Celery: median {median(theirs) * 1000:.1f} ms")
    rows = [
        row("Recordmill, record committed → handler", committed),
        row("Recordmill, publish called → handler", called),
        row("Celery, delay called → task", theirs),
    ]
    note = (
        f"Medians: {median(committed) / median(theirs):.1f} and "
        f"{median(called) / median(theirs):.1f} times Celery's. `publish` stores the record and "
        "begins the cycle in one commit; Celery's message is stored nowhere but in Redis."
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


def of_celery(site: Site, count: int) -> list[float]:
    """Seconds for each message."""
    trace = str(site.new_directory("moments"))
    told = Assignment(site.database_url, site.redis.url, trace=trace).in_environment()
    command = [sys.executable, "-m", *CELERY.split(), "--loglevel", "INFO"]
    with site.processes(command, 1, "ready.", **told):
        sender = [sys.executable, "-m", "benchmarks.rivals.sending", "celery-moments", str(count)]
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
