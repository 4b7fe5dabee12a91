"""How many records a test has at stake, and how many of them were lost or doubled."""

from django.db import connections
from django.db.models import Count

from processors.handlers import registry
from processors.models import Processor, Record, Run
from processors.states import RECORD_FINAL, RecordState
from tests.handling.models import Effect


def at_stake() -> int:
    """Records of all inboxes, rows of all tables."""
    inboxes = Record.objects.filter(processor__source_kind="inbox").count()
    return inboxes + sum(len(statuses_of(processor)) for processor in tables())


def lost() -> int:
    """Records that are through nowhere, and done ones that left no effect where they must."""
    waiting = Record.objects.exclude(state__in=[*RECORD_FINAL, RecordState.PARKED]).count()
    for processor in tables():
        words = processor.source["words"]
        waiting += sum(word in (words["new"], words["claimed"]) for word in statuses_of(processor))
    return waiting + sum(len(without_effect(processor)) for processor in atomic())


def doubled() -> int:
    """Effects beyond the first under one idempotency key, where effect and outcome are one."""
    runs = Run.objects.filter(processor__in=atomic()).values("pk")
    keys = Effect.objects.filter(run__in=runs).values("idempotency_key")
    repeated = keys.annotate(times=Count("pk")).filter(times__gt=1)
    return sum(row["times"] - 1 for row in repeated)


def without_effect(processor: Processor) -> set[str]:
    """Keys that are done in an inbox but left nothing."""
    done = Record.objects.filter(processor=processor, state=RecordState.DONE)
    left = Effect.objects.filter(run__in=processor.runs.values("pk")).values_list("key", flat=True)
    return set(done.values_list("key", flat=True)) - set(left)


def atomic() -> list[Processor]:
    """Processors whose handler leaves its effect in the transaction of its outcome."""
    found = []
    names = ("handling.effect", "handling.slow_effect")
    for processor in Processor.objects.filter(handler__in=names):
        handler = registry.find(processor.handler)
        if handler is not None and handler.effects == "database":
            found.append(processor)
    return found


def tables() -> list[Processor]:
    """Processors of somebody else's rows."""
    return list(Processor.objects.filter(source_kind="table"))


def statuses_of(processor: Processor) -> list[str]:
    """The status of every row of its table."""
    source = processor.source
    with connections[source["database"]].cursor() as cursor:
        cursor.execute(f"SELECT {source['status']} FROM {source['table']}")
        return [row[0] for row in cursor.fetchall()]
