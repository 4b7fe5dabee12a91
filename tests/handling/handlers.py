"""Handlers that do one thing each; what they do is asked for by the payload or the options."""

import asyncio
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen
from zlib import crc32

from django.db import connection

from processors import Context, Reject, Retry, Skip, cycle, handler
from processors.handlers import Record
from tests.handling import hostile
from tests.handling.effects import leave_effect
from tests.handling.models import Effect
from tests.waiting import PATIENCE_SECONDS, wait_until


@dataclass
class Pace:
    """How long a record takes."""

    seconds: float = 0.0


@handler("Leave an effect in the same transaction", effects="database", options=Pace)
def effect(record: Record, context: Context) -> None:
    leave_effect(record, context)
    time.sleep(context.options.seconds)


@dataclass
class Slow(Pace):
    """How long a record takes until there is such a file."""

    until: str = ""


@handler(
    "Leave an effect in the same transaction, slowly until somebody was struck",
    options=Slow,
    effects="database",
)
def slow_effect(record: Record, context: Context) -> None:
    leave_effect(record, context)
    if not Path(context.options.until).exists():
        time.sleep(context.options.seconds)


@handler("Leave an effect elsewhere", options=Pace)
def outside(record: Record, context: Context) -> None:
    leave_effect(record, context)
    time.sleep(context.options.seconds)


@dataclass
class Gate:
    """A file: what waits for it goes on when it is there."""

    file: str = ""


@handler("Leave an effect elsewhere, and end when a file is there", options=Gate)
def held(record: Record, context: Context) -> None:
    leave_effect(record, context)
    wait_until(Path(context.options.file).exists)


@handler(
    "Leave an effect in the same transaction; from the eleventh on, when a file is there",
    effects="database",
    options=Gate,
)
def held_from_ten(record: Record, context: Context) -> None:
    if int(record.key.removeprefix("key-")) >= 10:
        wait_until(Path(context.options.file).exists)
    leave_effect(record, context)


@handler("Leave an effect that must not be repeated", effects="unrepeatable", options=Pace)
def unrepeatable(record: Record, context: Context) -> None:
    leave_effect(record, context)
    time.sleep(context.options.seconds)


@dataclass
class Hold:
    """Which records are held: so many from the n-th on."""

    since: int = 0
    count: int = 1


@handler("Leave an effect elsewhere; hold some until somebody wants them to end", options=Hold)
def holding(record: Record, context: Context) -> None:
    leave_effect(record, context)
    hold(record, context)


@handler("The same with an effect that must not be repeated", effects="unrepeatable", options=Hold)
def holding_unrepeatable(record: Record, context: Context) -> None:
    leave_effect(record, context)
    hold(record, context)


def hold(record: Record, context: Context) -> None:
    """At first, until the run or this worker is to leave; so long that a test may be held up."""
    is_held = 0 <= record.payload["n"] - context.options.since < context.options.count
    if is_held and not context.maybe_seen_before:
        wait_until(context.should_stop)


@handler("Wait as a coroutine", options=Pace)
async def waiting(record: Record, context: Context) -> dict[str, Any]:
    await asyncio.sleep(context.options.seconds)
    return {"key": record.key}


@handler("Answer for all at once", batch=True)
def together(records: list[Record], context: Context) -> list[Any]:
    if any("poison" in record.payload for record in records):
        raise ValueError("one of them is bad")
    return [{"of": len(records)} for _ in records]


@handler("Return the payload")
def echo(record: Record, context: Context) -> Any:
    return record.payload


@handler("Do as the payload says")
def obey(record: Record, context: Context) -> Any:
    word = record.payload.get("do", "")
    if word == "log":
        context.log("a line")
        context.progress(1, 2)
    if word == "skip":
        raise Skip("not needed")
    if word == "retry":
        return Retry("later", after=0)
    if word == "reject":
        raise Reject("never")
    if word == "raise":
        raise KeyError("colour")
    if word == "nan":
        return float("nan")
    if word == "publish":
        context.publish(record.payload["to"], {"from": record.key})
    return None


@handler("Fail until the third attempt")
def third_time(record: Record, context: Context) -> int:
    if record.attempt < 3:
        return Retry("not yet", after=0)  # type: ignore[return-value]
    return record.attempt


@handler("Break the transaction it was given", effects="database")
def breaking(record: Record, context: Context) -> None:
    if record.payload.get("how") == "close":
        connection.close()
    how = record.payload.get("how", "")
    if how in ("COMMIT", "ROLLBACK"):
        leave_effect(record, context)
        with connection.cursor() as cursor:
            cursor.execute(how)
    if how == "swallow":
        context.publish("story", {}, key="published")
        leave_effect(record, context)
        with suppress(Exception), connection.cursor() as cursor:
            cursor.execute(" commit ")
    if how == "behind":
        connection.connection.rollback()


@handler("Judge a row by its name")
def judge(record: Record, context: Context) -> Any:
    name = record.payload["name"]
    if name == "reject":
        return Reject("no reject")
    if name == "retry":
        raise ValueError("later")
    return record.payload


@handler("Note the idempotency key")
def remember_key(record: Record, context: Context) -> None:
    leave_effect(record, context)


@handler("Change the fifth row behind our back")
def meddle(record: Record, context: Context) -> None:
    if record.key == "5":
        with connection.cursor() as cursor:
            cursor.execute("UPDATE goods SET status = 'MINE' WHERE id = 5")


@handler("Fail in doubt", effects="unrepeatable")
def unsure(record: Record, context: Context) -> None:
    if record.payload.get("say") == "retry":
        raise Retry("nothing was sent", after=600)
    raise ConnectionError("the line broke")


@handler("Say whether the record may have been seen")
def seen_before(record: Record, context: Context) -> Any:
    if not context.maybe_seen_before:
        return Reject("not seen yet")
    return {"seen": True, "attempt": record.attempt}


@handler("Ask its own process to leave at the fifth record, and end no other until it is so")
def departing(record: Record, context: Context) -> None:
    if leaves_from_the_fifth(record):
        assert GIVEN_BACK.wait(PATIENCE_SECONDS)


@handler("The same, as a coroutine")
async def departing_async(record: Record, context: Context) -> None:
    if leaves_from_the_fifth(record):
        assert await asyncio.to_thread(GIVEN_BACK.wait, PATIENCE_SECONDS)


GIVEN_BACK = threading.Event()
"""What hands have not begun is given back: for whoever leaves in the middle of a batch."""


def leaves_from_the_fifth(record: Record) -> bool:
    """Whether this is the fifth record, where SIGTERM comes, or one after it."""
    if record.payload["n"] == 4:
        cycle.leave()
    return bool(record.payload["n"] >= 4)


@handler("Take its time and leave nothing", options=Pace)
def rest(record: Record, context: Context) -> None:
    time.sleep(context.options.seconds)


@dataclass
class Word:
    """Something to show."""

    word: str = ""


@handler("Show its option", options=Word)
def show_options(record: Record, context: Context) -> str:
    return str(context.options.word)


@dataclass
class FarEnd:
    """A service outside, and how long a record takes."""

    url: str = ""
    seconds: float = 0.0


@handler("Deliver to a service outside", options=FarEnd)
def deliver(record: Record, context: Context) -> None:
    headers = {"Idempotency-Key": context.idempotency_key}
    request = Request(context.options.url, record.key.encode(), headers)
    with urlopen(request, timeout=10):
        time.sleep(context.options.seconds)


@handler("Succeed, fail, skip or die as its key and attempt decide", effects="database")
def flaky(record: Record, context: Context) -> Any:
    chance = crc32(f"{record.key}:{record.attempt}".encode()) % 100
    leave_effect(record, context)
    if "die" in record.payload:
        hostile.WAYS_TO_DIE["kill"]()
    if chance < 10:
        raise ConnectionError(f"the line broke {chance} times")
    if chance < 15:
        return Retry("later", after=1)
    if chance < 17:
        return Skip("not needed")
    return Reject("never") if chance < 19 else None


@handler("Write a row that is there already", effects="database")
def colliding(record: Record, context: Context) -> None:
    leave_effect(record, context)
    Effect(Effect.objects.latest("pk").pk, record.key, "", 0, 0, 0.0).save(force_insert=True)
