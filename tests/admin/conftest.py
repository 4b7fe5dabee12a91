"""A processor with a history, and a small cast for rights."""

import sys
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.messages import get_messages
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from processors.admin import frame, looks, slow_cards
from processors.clock import database_now
from processors.handlers import Handler, registry
from processors.models import Actor, Attempt, Batch, Event, Processor, Record, Run, Version
from processors.models.door import Move

VIEWS = ("view_processor", "view_run", "view_record", "view_event")
NASTY = "<script>alert('x')</script>"


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    cache.clear()


@pytest.fixture(autouse=True)
def _sample_handler() -> Iterator[None]:
    registry.add(Handler("sample.send", "Send", print))
    yield
    del registry._handlers["sample.send"]


@pytest.fixture
def remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for a page is not asked again while the test lasts, however long."""
    for module in (frame, looks, slow_cards):
        monkeypatch.setattr(module, "FRESH_SECONDS", 3_600)
    for module in (looks, slow_cards):
        monkeypatch.setattr(module, "REMEMBERED_SECONDS", 7_200)


@pytest.fixture
def still_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still for the pages: what is counted by the second stays as it is."""
    now = database_now()
    monkeypatch.setattr(timezone, "now", lambda: now)
    for name, module in list(sys.modules.items()):
        if name.startswith("processors.admin.") and hasattr(module, "database_now"):
            monkeypatch.setattr(module, "database_now", lambda: now)


def a_processor(slug: str = "orders", **changes: Any) -> Processor:
    columns: dict[str, Any] = {
        "slug": slug,
        "name": slug.capitalize(),
        "handler": "sample.send",
        "source": {"kind": "inbox", "topic": None},
        "source_kind": "inbox",
        "trigger_kind": "manual",
        **changes,
    }
    return Processor.objects.create(**columns)


def a_started_processor() -> Processor:
    """By interval, an hour long; its next run is due."""
    return a_processor(state="started", trigger_kind="interval", pause_seconds=3600,
                       next_due_at=database_now())  # fmt: skip


def a_run(processor: Processor, seq: int = 1, **changes: Any) -> Run:
    """An ended run, unless `state` and `ended_at` say otherwise."""
    now = database_now()
    columns: dict[str, Any] = {
        "processor": processor,
        "seq": seq,
        "state": "finished",
        "trigger": "manual",
        "actor": "anna",
        "config": {"queue": "default", "handler": "sample.send"},
        "started_at": now - timedelta(minutes=5),
        "ended_at": now - timedelta(minutes=4),
        **changes,
    }
    processor.last_seq = max(processor.last_seq, columns["seq"])
    Processor.objects.filter(pk=processor.pk).update(last_seq=processor.last_seq)
    return Run.objects.create(**columns)


def an_active_run(processor: Processor, seq: int = 9, **changes: Any) -> Run:
    return a_run(
        processor, seq, **{"state": "running", "ended_at": None, "expected": 10, **changes}
    )


def a_batch(run: Run, **changes: Any) -> Batch:
    now = database_now()
    lease = now + timedelta(minutes=1)
    return Batch.objects.create(
        **{
            "run": run,
            "slot": 0,
            "owner": "host:1:abc",
            "lease_until": lease,
            "opened_at": now,
            **changes,
        }
    )


def a_failed_record(processor: Processor, run: Run, key: str = "A-1", **changes: Any) -> Record:
    """A dead letter with the attempt that killed it."""
    now = database_now()
    record = Record.objects.create(
        **{
            "processor": processor,
            "key": key,
            "state": "dead",
            "payload": {"text": NASTY},
            "last_error": f"ValueError: {NASTY}",
            "error_type": "ValueError",
            "fingerprint": "f" * 32,
            "attempts": 5,
            "available_at": now,
            "created_at": now,
            "settled_at": now,
            **changes,
        }
    )
    batch = a_batch(
        run, slot=Batch.objects.count(), state="closed", closed_at=now, claimed=1, dead=1
    )
    Attempt.objects.create(
        processor=processor,
        record=record,
        run=run,
        batch=batch,
        visit=1,
        number=5,
        outcome="dead",
        error_type="ValueError",
        message=NASTY,
        traceback=f"Traceback: {NASTY}",
        log=[f"said {NASTY}"],
        fingerprint=record.fingerprint or "",
        duration_seconds=0.5,
        at=now,
    )
    return record


def a_failing_run(*keys: str) -> Run:
    """A run whose records of these keys are dead letters."""
    run = a_run(a_processor())
    for key in keys:
        a_failed_record(run.processor, run, key)
    return run


@pytest.fixture
def processor(db: None) -> Processor:
    return a_processor(name=NASTY, description=NASTY)


@pytest.fixture
def history(processor: Processor) -> dict[str, Any]:
    """One of everything, with text that wants to be a script."""
    run = a_run(processor, done=3, dead=1, claimed=4, reason=NASTY)
    active = an_active_run(processor, 2)
    a_batch(active, claimed=4, done=3)
    record = a_failed_record(processor, run)
    event = Event.objects.create(
        processor=processor, subject="processor", action="start", actor=NASTY, reason=NASTY,
        at=database_now(),
    )  # fmt: skip
    how = Move(Actor(NASTY), database_now(), NASTY)
    Version.keep(processor, {"name": NASTY, "options": {NASTY: [NASTY]}}, "edit", how)
    return {"processor": processor, "run": run, "active": active, "record": record, "event": event}


SignIn = Callable[..., Client]


@pytest.fixture
def sign_in(db: None) -> SignIn:
    """A member of staff with these rights, in a browser: `sign_in("view_processor")`."""

    def make(*rights: str, superuser: bool = False) -> Client:
        name = f"user-{User.objects.count()}"
        user = User.objects.create_user(name, is_staff=True, is_superuser=superuser)
        user.user_permissions.set(Permission.objects.filter(codename__in=rights))
        client = Client()
        client.force_login(user)
        return client

    return make


@pytest.fixture
def admin(sign_in: SignIn) -> Client:
    return sign_in(superuser=True)


def click(processor: Processor, **more: Any) -> dict[str, Any]:
    """What a button of the page sends."""
    processor.refresh_from_db()
    return {"seen": f"{processor.version}:{uuid.uuid4()}", "confirmed": "1", **more}


def said(answer: Any) -> str:
    """The messages that a page or an act leaves for the person."""
    return " ".join(map(str, get_messages(answer.wsgi_request)))
