"""One factory per model: rows that are legal by themselves, changed by what a test names.

A factory makes what its row hangs on where the test gives none. Nothing here touches Redis, and
no cycle begins: the rows only look as if one had.
"""

import itertools
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission, User
from django.db import connections
from django.utils.timezone import now

from processors.models import IN_LANE, Attempt, Batch, Event, Lane, Processor, Record, Run
from processors.protocol.working import freeze
from processors.states import COUNTERS, RUN_ENDED, BatchState, ProcessorState, RecordState

NUMBERS = itertools.count(1)
OUTCOMES = tuple(name for name in COUNTERS if name != "claimed")
SETTLED = {RecordState.DONE, RecordState.SKIPPED, RecordState.DEAD, RecordState.PARKED}


def make_processor(slug: str | None = None, **columns: Any) -> Processor:
    """A stopped processor with an inbox, run by hand, unless `columns` say otherwise."""
    slug = slug or f"processor-{next(NUMBERS)}"
    source = columns.setdefault("source", {"kind": "inbox", "topic": None})
    columns.setdefault("source_kind", source["kind"])
    columns.setdefault("topic", source.get("topic") or "")
    columns.setdefault("name", slug.replace("-", " ").capitalize())
    columns.setdefault("handler", "demo.price_order")
    if columns.get("state") == ProcessorState.STARTED:
        columns.setdefault("next_due_at", now() + timedelta(hours=1))
    return Processor.objects.create(slug=slug, **columns)


def make_table_source(
    rows: int = 0, table: str = "customer_order", **changes: Any
) -> dict[str, Any]:
    """A valid source on a table that is made here, with `rows` new rows, keys from 1 on."""
    alias = changes.get("database", "default")
    with connections[alias].cursor() as cursor:
        if rows:  # a test that commits may have left the table with rows of its own
            cursor.execute(f"DROP TABLE IF EXISTS {table}")
        cursor.execute(
            f"CREATE TABLE IF NOT EXISTS {table} (id integer NOT NULL PRIMARY KEY, "
            "status varchar(10), payload text, result text, error text)"
        )
        cursor.executemany(
            f"INSERT INTO {table} (id, status, payload) VALUES (%s, 'NEW', '{{}}')",
            [[key] for key in range(1, rows + 1)],
        )
    return {
        "kind": "table",
        "database": alias,
        "table": table,
        "key": "id",
        "key_type": "integer",
        "mode": "A" if alias == "default" else "C",
        "status": "status",
        "words": {"new": "NEW", "claimed": "TAKEN", "done": "DONE", "failed": "ERROR"},
        "payload": ["payload"],
        "result": "result",
        "error": "error",
        "filter": [],
        "order": None,
        **changes,
    }


def make_run(processor: Processor | None = None, **columns: Any) -> Run:
    """A running cycle, the processor's next; in an ended one `claimed` is the sum of the rest."""
    processor = processor or make_processor()
    columns.setdefault("seq", processor.last_seq + 1)
    columns.setdefault("trigger", "manual")
    columns.setdefault("config", freeze(processor))
    columns.setdefault("started_at", now())
    if columns.get("state") in RUN_ENDED:
        columns.setdefault("ended_at", columns["started_at"] + timedelta(seconds=1))
        columns.setdefault("claimed", sum(columns.get(name, 0) for name in OUTCOMES))
    run = Run.objects.create(processor=processor, **columns)
    processor.last_seq = max(processor.last_seq, run.seq)
    Processor.objects.filter(pk=processor.pk).update(last_seq=processor.last_seq)
    return run


def make_batch(run: Run | None = None, **columns: Any) -> Batch:
    """An open batch of a live worker; a closed one (`state="closed"`) has counters that add up."""
    run = run or make_run()
    columns.setdefault("slot", Batch.objects.leased().filter(run=run).count())
    columns.setdefault("owner", "host:1:worker")
    columns.setdefault("opened_at", now())
    columns.setdefault("lease_until", columns["opened_at"] + timedelta(seconds=60))
    columns.setdefault("claimed", len(columns.get("keys", [])))
    if columns.get("state") == BatchState.CLOSED:
        columns.setdefault("close_reason", "completed")
        columns.setdefault("closed_at", columns["opened_at"] + timedelta(seconds=1))
        columns.setdefault("remaining", [])
        columns["claimed"] = sum(columns.get(name, 0) for name in OUTCOMES)
    return Batch.objects.create(run=run, **columns)


def make_record(processor: Processor | None = None, **columns: Any) -> Record:
    """A ready record with a key of its own."""
    processor = processor or make_processor()
    columns.setdefault("key", f"key-{next(NUMBERS)}")
    columns.setdefault("payload", {})
    columns.setdefault("created_at", now())
    columns.setdefault("available_at", columns["created_at"])
    if columns.get("state") in SETTLED:
        columns.setdefault("settled_at", now())
    return Record.objects.create(processor=processor, **columns)


def make_lane(
    processor: Processor, value: str = "acme", *, waiting: int = 0, **columns: Any
) -> Lane:
    """Where a key stands with the processor's first limit, and records that wait for it."""
    columns.setdefault("limit", processor.rate_limits[0])
    columns.setdefault("free_at", now())
    columns.setdefault("window_at", now())
    lane = Lane.objects.create(processor=processor, value=value, waits=waiting > 0, **columns)
    for _ in range(waiting):
        make_record(processor, lane=lane, available_at=IN_LANE)
    return lane


def make_claimed(run: Run, count: int = 1, **columns: Any) -> Batch:
    """An open batch of `run` with `count` records of the inbox in hand."""
    records = [make_record(run.processor) for _ in range(count)]
    batch = make_batch(run, keys=[record.pk for record in records], **columns)
    ids = [record.pk for record in records]
    Record.objects.filter(pk__in=ids).update(state=RecordState.CLAIMED, batch=batch)
    return batch


def make_attempt(
    record: Record | None = None, batch: Batch | None = None, **columns: Any
) -> Attempt:
    """A line of history: a failure to be retried, unless `outcome` says otherwise."""
    batch = batch or make_batch(make_run(record.processor if record else None))
    record = record or make_record(batch.run.processor)
    columns.setdefault("outcome", "retry")
    columns.setdefault("visit", record.visit)
    columns.setdefault("number", record.history.count() + 1)
    columns.setdefault("owner", batch.owner)
    columns.setdefault("at", now())
    return Attempt.objects.create(
        processor_id=record.processor_id, record=record, run=batch.run, batch=batch, **columns
    )


def make_event(processor: Processor | None = None, action: str = "start", **columns: Any) -> Event:
    """A line of the audit about the processor, or about `run=`, `batch=` or `record=`."""
    subjects = ("run", "batch", "record")
    columns.setdefault("subject", next((s for s in subjects if s in columns), "processor"))
    columns.setdefault("actor", "anna")
    columns.setdefault("at", now())
    return Event.objects.create(processor=processor or make_processor(), action=action, **columns)


def make_user(username: str = "anna", *permissions: str, **columns: Any) -> User:
    """A member of staff with rights such as "operate_processor" or "processors.view_run"."""
    user = get_user_model().objects.create_user(username=username, **{"is_staff": True, **columns})
    codenames = [name.rpartition(".")[2] for name in permissions]
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return user
