"""The pages that every check of looks goes through; who adds a page adds its line.

Each entry makes what its page shows and gives the address.
"""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.urls import reverse

from processors.clock import database_now
from processors.definitions import dump
from processors.models import Actor, BulkAct, Event, Processor, RunHour, Version
from processors.models.door import Move
from tests.admin.conftest import a_batch, a_failed_record, a_processor, a_run, an_active_run
from tests.admin.workers import fail_one, list_worker

LONG = "A sentence about it " * 20


A_TABLE = {
    "kind": "table", "database": "default", "table": "shop_order", "key": "id", "status": "status",
    "key_type": "integer", "status_type": "text", "mode": "A", "payload": ["xml"],
    "words": {"new": "NEW", "claimed": "TAKEN", "done": "DONE", "failed": "ERROR"},
    "result": None, "error": None, "filter": [], "order": None,
}  # fmt: skip


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
    keep_versions(processor)
    of_table = a_processor(
        "of-table", source=A_TABLE, source_kind="table", handler="demo.price_order",
        rate_limits=["100/s", "1000/h"],
    )  # fmt: skip
    a_processor("arrivals", state="started", trigger_kind="arrival", name="N" * 60)
    a_bulk_act = BulkAct.objects.create(
        what="retry", words=LONG, actor="anna", expected=900, moved={str(processor.pk): 300},
        started_at=run.started_at, seen_at=run.started_at,
    )  # fmt: skip
    list_worker("quiet1112222", silent=90)
    list_worker("busy11112222", state="busy")
    fail_one(active.pk)
    event = Event.objects.create(
        processor=processor, subject="processor", action="start", actor="anna", reason=LONG,
        at=database_now(), details={"before": LONG, "after": [1, 2]},
    )  # fmt: skip
    return {
        "processor": processor, "run": run, "active": active, "record": record, "act": a_bulk_act,
        "of_table": of_table, "event": event,
    }  # fmt: skip


def keep_versions(processor: Processor) -> None:
    """Two of them, which differ in values and in JSON."""
    how = Move(Actor("anna"), database_now(), LONG)
    said = dump(processor) | {"batch_size": 50, "options": {"list": [1, 2, {"deep": LONG}]}}
    Version.keep(processor, dump(processor), "create", how)
    Version.keep(processor, said, "edit", how)


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
    "processor-add-records": of_processor("add-records"),
    "pause-all": lambda _: "/admin/pause-all/",
    "processor-history": of_processor("history"),
    "processor-delete": of_processor("delete"),
    "processor-force-stop": of_processor("force-stop"),
    "processor-of-table": lambda seen: seen["of_table"].get_absolute_url(),
    "processor-clone": lambda seen: f"/admin/processors/processor/add/?like={seen['of_table'].pk}",
    "processor-limits": of_processor("limits"),
    "processor-versions": of_processor("versions"),
    "processor-version": lambda seen: f"{of_processor('versions')(seen)}2/",
    "processor-import": lambda _: "/admin/processors/processor/import/",
    "runs": lambda _: "/admin/processors/run/",
    "run": lambda seen: seen["run"].get_absolute_url(),
    "run-active": lambda seen: seen["active"].get_absolute_url(),
    "processor-access": of_processor("access"),
    "errors": lambda _: "/admin/processors/record/",
    "records": lambda _: "/admin/processors/record/?state=all",
    "records-searched": lambda _: "/admin/processors/record/?q=error:ValueError",
    "record": lambda seen: f"/admin/processors/record/{seen['record'].pk}/change/",
    "record-edit": lambda seen: f"/admin/processors/record/{seen['record'].pk}/edit/",
    "record-bulk": lambda seen: seen["act"].get_absolute_url(),
    "queues": lambda _: "/admin/queues/",
    "jobs": lambda _: "/admin/queues/jobs/?queue=default&place=failed",
    "health": lambda _: "/admin/health/",
    "attempts": lambda _: "/admin/processors/attempt/",
    "events": lambda _: "/admin/processors/event/",
    "event": lambda seen: reverse("admin:processors_event_change", args=[seen["event"].pk]),
    "password": lambda _: "/admin/password_change/",
    "users": lambda _: "/admin/auth/user/",
}

# Pages that only a form leads to: where it is sent, and what.
Sent = Callable[[dict[str, Any]], tuple[str, dict[str, str]]]
SENT: dict[str, Sent] = {
    "stop-asks": lambda seen: (of_processor("stop")(seen), a_click(seen["processor"])),
    "retry-asks": lambda seen: (f"{MANY}retry/?processor={seen['processor'].pk}", {}),
    "discard-asks": lambda _: (f"{MANY}discard/", {}),
    "delete-asks": lambda seen: (
        "/admin/processors/run/",
        {"action": "delete_chosen", "_selected_action": str(seen["run"].pk)},
    ),
    "suspend-asks": lambda _: ("/admin/queues/do/suspend/", {}),
    "empty-asks": lambda _: ("/admin/queues/do/empty/?queue=default&place=failed", {}),
    "records-previewed": lambda seen: (
        of_processor("add-records")(seen),
        {"what": "records", "text": json.dumps({"key": "K" * 200, "payload": {"n": LONG}})},
    ),
    "records-refused": lambda seen: (
        of_processor("add-records")(seen),
        {"what": "records", "text": f"{LONG}\n" * 20},
    ),
    "limits-refused": lambda seen: (of_processor("limits")(seen), {"batch_size": "many"}),
    "import-planned": lambda seen: (
        "/admin/processors/processor/import/",
        {"text": json.dumps(dump(seen["processor"]) | {"batch_size": 7, "name": LONG[:90]})},
    ),
    "form-refused": lambda _: (
        "/admin/processors/processor/add/",
        {"_preview": "1", "name": "", "trigger_kind": "cron", "cron": "x", "source_kind": "table"},
    ),
    "edit-refused": lambda seen: (
        f"/admin/processors/record/{seen['record'].pk}/edit/",
        {"payload": "{", "visit": "1"},
    ),
}
MANY = "/admin/processors/record/many/"


def a_click(processor: Processor) -> dict[str, str]:
    """What a button of the page sends."""
    return {"seen": f"{processor.version}:{uuid4()}"}
