"""What the story tests share: a processor from a definition, and waiting for its runs."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any

from django.db import connection

from processors import control, definitions, maintenance, publish
from processors.acts import Act, by_command_line
from processors.models import Batch, Processor, Run
from processors.states import COUNTERS, CloseReason
from tests.handling.models import Effect
from tests.tables import Table
from tests.waiting import wait_until

INBOX: Mapping[str, Any] = {"kind": "inbox"}
# A back-off that outlasts every test.
LATER = {"base_seconds": 600, "cap_seconds": 600}


def define(handler: str, source: Mapping[str, Any] = INBOX, **definition: Any) -> Processor:
    """A processor as `processor load` would make it; triggered by hand unless told otherwise."""
    data = {
        "slug": "story",
        "name": "Story",
        "handler": f"handling.{handler}",
        "source": source,
        "trigger": {"kind": "manual"},
        **definition,
    }
    return Processor.objects.create(**definitions.clean(data))


def act(reason: str = "test") -> Act:
    return by_command_line(reason)


def fill_inbox(processor: Processor, payloads: Mapping[str, Mapping[str, Any]]) -> None:
    publish(processor.slug, [{"key": k, "payload": p} for k, p in payloads.items()])


def numbered(count: int) -> dict[str, dict[str, Any]]:
    return {f"key-{n:04}": {"n": n} for n in range(count)}


def begin_run(handler: str, count: int, **definition: Any) -> Run:
    """A run over `count` numbered records, begun by hand; whoever listens may take them."""
    processor = define(handler, **definition)
    fill_inbox(processor, numbered(count))
    return control.run_once(processor.pk, act())


def run_here(processor: Processor) -> Run:
    """One cycle in this process, as a worker's child would run it."""
    from processors import cycle

    run = control.run_once(processor.pk, act())
    cycle.work(run.pk)
    run.refresh_from_db()
    return run


def judged(goods: Table, word: str, **definition: Any) -> Processor:
    """A processor whose handler has done with a table's only row what this word says."""
    goods.fill([1])
    goods.run("UPDATE goods SET name = %s", [word])
    processor = define("judge", goods.source(), **definition)
    run_here(processor)
    return processor


def faulted(processor: Processor) -> str:
    """Why it was stopped; empty where it was not."""
    processor.refresh_from_db()
    return processor.fault_reason


def wait_for_end(run: Run, *, seconds: float = 120, ticking: bool = True) -> Run:
    """The run once it has ended; ticks like a scheduler while it waits, but ten times a second."""
    looks = count()

    def has_ended() -> bool:
        if ticking and next(looks) % 5 == 0:
            maintenance.tick()
        run.refresh_from_db()
        return run.has_ended

    wait_until(has_ended, seconds=seconds, message=lambda: f"{run} is {run.state}: {counters(run)}")
    return run


def wait_for_reaping() -> None:
    """Until a batch was taken back from a silent worker; ticks like a scheduler."""
    wait_until(_has_reaped, message="the silent worker kept its batch")


def _has_reaped() -> bool:
    maintenance.tick()
    return Batch.objects.filter(close_reason=CloseReason.REAPED).exists()


def wait_for_effects(count: int) -> None:
    wait_until(lambda: Effect.objects.count() >= count, message="too few effects")


def counters(run: Run) -> dict[str, int]:
    """What is not zero; of an active run, the sum over its batches."""
    if not run.has_ended:
        found = Batch.objects.filter(run=run).counters()
        return {name: number for name, number in found.items() if number}
    return {name: getattr(run, name) for name in COUNTERS if getattr(run, name)}


def handled_keys() -> list[str]:
    """The keys of all effects, doubles included."""
    return sorted(Effect.objects.values_list("key", flat=True))


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """What this thread asks the database, prepared statements with it.

    Django's own way of capturing changes the cursors that are made, and we keep one.
    """
    asked: list[str] = []

    def note(execute: Any, sql: str, *given: Any) -> Any:
        asked.append(sql)
        return execute(sql, *given)

    with connection.execute_wrapper(note):
        yield asked
