"""From `publish` to the handler's start on an idle processor; the same for Celery."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from statistics import quantiles

from benchmarks import product
from benchmarks.findings import Finding, say
from benchmarks.labour import moment_file
from benchmarks.product import Setup
from benchmarks.rivals.assignment import Assignment
from benchmarks.servers import Site, open_site
from tests.servers import ROOT
from tests.waiting import wait_until

APART_SECONDS = (0.02, 0.08)  # so that no rhythm of the workers is met by chance
CELERY = "celery -A benchmarks.rivals.celery_app worker --pool prefork --concurrency 2"


def measure(count: int, database: str) -> Finding:
    """The product first, then Celery, both with two idle workers and nothing else running."""
    with open_site(database) as site:
        ours = of_product(site, count)
        say(f"Recordmill: median {quantiles(ours, n=100)[49] * 1000:.1f} ms")
        theirs = of_celery(site, count)
        say(f"Celery: median {quantiles(theirs, n=100)[49] * 1000:.1f} ms")
    rows = [row("Recordmill, publish → handler", ours), row("Celery, delay → task", theirs)]
    ratio = float(rows[0][1] or 0) / float(rows[1][1] or 1)
    note = (
        f"Median: {ratio:.1f} times Celery's. Recordmill forks a process for the run; Celery's "
        "processes wait, forked before."
    )
    title = f"latency of {count} records, one at a time, idle processor, {database}"
    return Finding("latency", title, ["", "p50 ms", "p99 ms", "max ms"], rows, [note])


def row(name: str, seconds: list[float]) -> list[str | float | None]:
    parts = quantiles(seconds, n=100, method="inclusive")
    return [name, *(round(part * 1000, 2) for part in (parts[49], parts[98], max(seconds)))]


def of_product(site: Site, count: int) -> list[float]:
    """Seconds for each record."""
    trace = str(site.new_directory("moments"))
    setup = Setup("inbox", "moment", trace=trace, trigger="arrival")
    product.load(site, setup)
    site.manage("processor", "start", setup.slug)
    with site.workers(2):
        output = site.python("-m", "benchmarks.driving", "moments", setup.slug, trace, str(count))
    return [float(line) for line in output.split()]


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
    count: int, directory: str, send: Callable[[str], object], is_idle: Callable[[], bool]
) -> None:
    """One at a time, each to idle workers; prints how many seconds each took to begin."""
    for number in range(count):
        wait_until(is_idle)
        time.sleep(random.uniform(*APART_SECONDS))
        sent, path = time.time(), moment_file(directory, str(number))
        send(str(number))
        wait_until(path.exists)
        print(float(path.read_text()) - sent)
