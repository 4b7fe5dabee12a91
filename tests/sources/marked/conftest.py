"""A marked table, a handler with a deed for each of its rows, and looks at what became of them."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from processors import control
from processors.clock import database_now
from processors.handlers import Context, Handler, registry
from processors.handlers import Record as Given
from processors.models import Processor, Run
from processors.protocol import reconciling
from processors.sources import open_source
from processors.sources.marked import MarkedTableSource
from processors.sources.marks import Marks
from tests.handling.models import Effect
from tests.stories import act
from tests.tables import Table

Deed = Callable[[Given], Any]


@pytest.fixture
def goods() -> Iterator[Table]:
    table = Table("shop")
    yield table
    table.drop()


@pytest.fixture
def deeds() -> Iterator[dict[str, Deed]]:
    """What the handler `handling.behind` does with a record, by its key, after its effect."""
    found: dict[str, Deed] = {}

    def behind(record: Given, context: Context) -> Any:
        Effect.objects.create(
            key=record.key, idempotency_key=context.idempotency_key, run=0, pid=0, begun_at=0
        )
        deed = found.get(record.key)
        return deed(record) if deed else None

    registry.add(Handler("handling.behind", "Behind", behind, "outside", None))
    yield found
    del registry._handlers["handling.behind"]


def marks_of(processor: Processor) -> Marks:
    source = open_source(processor.pk, processor.source)
    assert isinstance(source, MarkedTableSource)
    return source.marks


def look_again() -> int:
    return reconciling.reconcile(database_now())


def begun(processor: Processor) -> Run:
    return control.run_once(processor.pk, act())


def visits() -> Counter[str]:
    """How often each key was handled; never twice under one idempotency key."""
    keys = Counter(Effect.objects.values_list("idempotency_key", flat=True))
    assert set(keys.values()) <= {1}
    return Counter(Effect.objects.values_list("key", flat=True))
