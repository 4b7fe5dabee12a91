"""Three handlers, a definition that is valid, and what is said of one that is not."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connections

from processors.definitions import InvalidDefinition, clean
from processors.handlers import Handler, registry
from processors.models.processor import Processor


@dataclasses.dataclass
class SendOptions:
    """Options of the sample handler."""

    currency: str = "EUR"
    retries: int = 3
    api_key: str = ""


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Three handlers, one for each kind of effect."""
    names = [
        ("sample.send", "outside", SendOptions),
        ("sample.book", "database", None),
        ("sample.pay", "unrepeatable", None),
    ]
    for name, effects, options in names:
        registry.add(Handler(name, name, print, effects, options))  # type: ignore[arg-type]
    yield
    for name, _, _ in names:
        del registry._handlers[name]


def a_definition(**changes: Any) -> dict[str, Any]:
    return {"slug": "orders", "handler": "sample.send", "source": {"kind": "inbox"}, **changes}


def a_table(alias: str = "default", **changes: Any) -> dict[str, Any]:
    """A table source; makes its table."""
    with connections[alias].cursor() as cursor:
        cursor.execute(
            "CREATE TABLE IF NOT EXISTS customer_order "
            "(id integer NOT NULL PRIMARY KEY, status varchar(10), amount integer, result text)"
        )
    return {
        "kind": "table",
        "database": alias,
        "table": "customer_order",
        "key": "id",
        "status": "status",
        **changes,
    }


def errors(existing: Processor | None = None, **changes: Any) -> dict[str, list[str]]:
    with pytest.raises(InvalidDefinition) as caught:
        clean(a_definition(**changes), existing=existing)
    return caught.value.errors


def saved(**changes: Any) -> Processor:
    return Processor.objects.create(**clean(a_definition(**changes)))
