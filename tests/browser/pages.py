"""The pages that every check of looks goes through; who adds a page adds its line.

Each entry makes what its page shows and gives the address.
"""

from collections.abc import Callable
from typing import Any

from django.urls import reverse

from processors.models import RunHour
from tests.admin.conftest import a_batch, a_failed_record, a_processor, a_run, an_active_run

LONG = "A sentence about it " * 20


def filled() -> dict[str, Any]:
    """A small installation with something of everything."""
    processor = a_processor(
        description=LONG, trigger_kind="cron", cron="30 2 * * *", time_zone="Europe/Berlin"
    )
    for seq in range(1, 8):
        run = a_run(processor, seq, done=3, dead=seq % 2, claimed=3 + seq % 2, expected=9)
        RunHour.count(run)
    active = an_active_run(processor, expected=100)
    a_batch(active, claimed=40, done=30)
    record = a_failed_record(processor, run, "K" * 200)
    a_processor("arrivals", state="started", trigger_kind="arrival", name="N" * 60)
    return {"processor": processor, "run": run, "active": active, "record": record}


Address = Callable[[dict[str, Any]], str]


def of_processor(name: str) -> Address:
    """A page of the processor."""
    return lambda seen: reverse(f"admin:processors_processor_{name}", args=[seen["processor"].pk])


PAGES: dict[str, Address] = {
    "overview": lambda _: "/admin/",
    "overview-hours": lambda _: "/admin/?span=24h",
    "schedule": lambda _: "/admin/schedule/",
    "processors": lambda _: "/admin/processors/processor/",
    "processors-none": lambda _: "/admin/processors/processor/?q=nothing",
    "processor-add": lambda _: "/admin/processors/processor/add/",
    "processor": lambda seen: seen["processor"].get_absolute_url(),
    "processor-run-with": of_processor("run-with"),
    "processor-history": of_processor("history"),
    "processor-delete": of_processor("delete"),
    "processor-force-stop": of_processor("force-stop"),
    "runs": lambda _: "/admin/processors/run/",
    "run": lambda seen: seen["run"].get_absolute_url(),
    "run-active": lambda seen: seen["active"].get_absolute_url(),
    "records": lambda _: "/admin/processors/record/?state=all",
    "record": lambda seen: f"/admin/processors/record/{seen['record'].pk}/change/",
    "events": lambda _: "/admin/processors/event/",
    "password": lambda _: "/admin/password_change/",
    "users": lambda _: "/admin/auth/user/",
}
