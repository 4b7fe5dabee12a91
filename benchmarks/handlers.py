"""The product's handlers for the measurements."""

import asyncio
from dataclasses import dataclass

from benchmarks.labour import WAIT_SECONDS, Labour, leave_moment
from processors import Context, Reject, handler
from processors.handlers import Record


@dataclass
class Work:
    """What else a handler does: give its result, leave a trace in a directory."""

    results: bool = False
    trace: str = ""


def treat(name: str, record: Record, work: Work) -> str | None:
    """Do the labour of that name."""
    result = Labour(name, work.trace).do(record.key, record.payload["body"])
    return result if work.results else None


@handler("Hash", options=Work)
def noop(record: Record, context: Context) -> str | None:
    return treat("noop", record, context.options)


@handler("Hash, one commit each", effects="unrepeatable", options=Work)
def unrepeatable(record: Record, context: Context) -> str | None:
    return treat("noop", record, context.options)


@handler("Wait 5 ms", options=Work)
def io5(record: Record, context: Context) -> str | None:
    return treat("io5", record, context.options)


@handler("Wait 5 ms as a coroutine", options=Work)
async def aio5(record: Record, context: Context) -> str | None:
    await asyncio.sleep(WAIT_SECONDS)
    return treat("noop", record, context.options)


@handler("Compute 1 ms", options=Work)
def cpu1(record: Record, context: Context) -> str | None:
    return treat("cpu1", record, context.options)


@handler("Note the time of its start", options=Work)
def moment(record: Record, context: Context) -> None:
    leave_moment(context.options.trace, record.key)


@handler("Refuse", options=Work)
def refuse(record: Record, context: Context) -> None:
    raise Reject("no price")
