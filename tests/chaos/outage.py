"""F33: the database is away for minutes. Pages say so, nobody spins, nothing is lost or blamed."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.db import connections
from django.test import Client

from processors import publish
from processors.ledger_check import AT_REST, check
from processors.models import Attempt
from tests.chaos import logs, reckoning
from tests.chaos.crew import Crew
from tests.chaos.far_end import FarEnd
from tests.chaos.people import INBOXES, start_everything, stop_everything
from tests.chaos.processors import make_all
from tests.chaos.site import Site
from tests.waiting import wait_until

RECORDS = 300  # in each inbox
PAGE_SECONDS = 5.0
PAGES = ("/admin/", "/admin/processors/record/", "/readyz")
RECOVERY_SECONDS = 300.0


@dataclass
class Outage:
    """What was seen meanwhile and afterwards; `broken` is empty where all is well."""

    seconds: float
    records: int = 0
    pages: int = 0
    longest_page_ms: int = 0
    cpu_percent: float = 0.0  # of all processes of the product together, of one core
    lines_a_minute: float = 0.0  # in all their logs
    recovered_after: float = 0.0
    blamed: int = 0
    lost: int = 0
    doubled: int = 0
    broken: list[str] = field(default_factory=list)


def run(site: Site, seconds: float) -> Outage:
    """From a site that was started to what became of everything."""
    found, far_end = Outage(seconds), FarEnd()
    make_all(far_end.url)
    sent: dict[str, list[str]] = {slug: [] for slug in INBOXES}
    for slug in INBOXES:
        sent[slug] = [f"{slug}-{n:06}" for n in range(RECORDS)]
        publish(slug, [{"key": key, "payload": {}} for key in sent[slug]])
    start_everything()
    crew = Crew(site)
    try:
        at_most = reckoning.open_records() - RECORDS // 10
        wait_until(lambda: reckoning.open_records() < at_most, seconds=60, message="nothing done")
        stay_away(site, crew, found)
        recover(site, crew, found)
        reckoned = reckoning.reckon(sent, far_end)
    finally:
        crew.stop()
        far_end.close()
    found.records, found.lost, found.doubled = reckoned.records, reckoned.lost, reckoned.doubled
    found.broken += reckoned.wrong
    surprises = logs.surprises(crew.logs())
    found.broken += [f"{times} tracebacks: {line}" for line, times in surprises.items()]
    return found


def stay_away(site: Site, crew: Crew, found: Outage) -> None:
    """No database; a person looks at a page now and then."""
    assert site.postgres is not None
    client = Client(raise_request_exception=False, SERVER_NAME="localhost")
    client.force_login(User.objects.create_superuser("ann"))
    site.postgres.stop()
    connections.close_all()
    began, lines, cpu = time.monotonic(), lines_of(crew), cpu_seconds(crew)
    while time.monotonic() < began + found.seconds:
        crew.look_after()
        for path in PAGES:
            asked_at = time.monotonic()
            page = client.get(path, follow=True)
            found.pages += 1
            took = int((time.monotonic() - asked_at) * 1000)
            found.longest_page_ms = max(found.longest_page_ms, took)
            if page.status_code != 503:
                found.broken.append(f"{path} was answered with {page.status_code}")
        time.sleep(PAGE_SECONDS)
    took_seconds = time.monotonic() - began
    found.lines_a_minute = round((lines_of(crew) - lines) * 60 / took_seconds, 1)
    found.cpu_percent = round((cpu_seconds(crew) - cpu) * 100 / took_seconds, 1)


def recover(site: Site, crew: Crew, found: Outage) -> None:
    """It is back: everything goes on by itself."""
    assert site.postgres is not None
    site.postgres.start()
    connections.close_all()
    began = time.monotonic()

    def is_through() -> bool:
        crew.look_after()
        return reckoning.open_records() == 0

    wait_until(is_through, seconds=RECOVERY_SECONDS, message="not everything went on")
    found.recovered_after = round(time.monotonic() - began, 1)
    stop_everything()
    # What was in hand when the database went is in doubt, and says so; nothing else is blamed.
    attempts = Attempt.objects.exclude(processor__slug="flaky")
    found.blamed = attempts.exclude(outcome="crashed").exclude(error_type="NotNow").count()
    if found.blamed:
        found.broken.append(f"{found.blamed} attempts were burnt")
    found.broken += map(str, check(AT_REST, whole_history=True))


def lines_of(crew: Crew) -> int:
    return sum(log.count("\n") for log in crew.logs().values())


def cpu_seconds(crew: Crew) -> float:
    """Of the processes that run now: their own and that of the children they waited for."""
    total = 0.0
    for post in crew.posts:
        stat = Path(f"/proc/{post.process.pid}/stat")
        if stat.exists():
            total += sum(map(int, stat.read_text().rpartition(")")[2].split()[11:15])) / 100
    return total


def told(found: Outage) -> dict[str, Any]:
    """In a few lines; the figures as data."""
    figures = dict(vars(found))
    print("\n".join(f"{name:<16} {value}" for name, value in figures.items()))
    return figures
