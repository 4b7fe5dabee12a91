"""The `@handler` decorator and what it makes."""

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

from django import forms
from django.apps import apps

from processors.handlers.context import Context
from processors.handlers.options import (
    InvalidOptions,
    check_options,
    clean_options,
    resolved_options,
)
from processors.handlers.registry import registry

Effects = Literal["outside", "database", "unrepeatable"]
EFFECTS: tuple[Effects, ...] = ("outside", "database", "unrepeatable")

Function = TypeVar("Function", bound=Callable[..., Any])
OptionsClass = type[forms.Form] | type[Any]

__all__ = ["EFFECTS", "Effects", "Handler", "InvalidHandler", "InvalidOptions", "Record", "handler"]


class InvalidHandler(TypeError):
    """A handler is declared in a way that cannot work."""


class Record:
    """One thing to treat, as its handler sees it.

    `key`: what its owner calls it. `payload`: its data. `attempt`: 1 the first time it is tried.
    `context`: its own, which a batch handler needs to log or to name each of its records.
    """

    __slots__ = ("attempt", "context", "key", "payload")

    def __init__(self, key: str, payload: dict[str, Any], attempt: int, context: Context) -> None:
        self.key = key
        self.payload = payload
        self.attempt = attempt
        self.context = context

    def __repr__(self) -> str:
        return f"<Record {self.key!r}, attempt {self.attempt}>"


@dataclasses.dataclass(frozen=True)
class Handler:
    """A registered function that treats one record, or with `batch` a list of them."""

    name: str
    label: str
    function: Callable[..., Any]
    effects: Effects = "outside"
    options: OptionsClass | None = None
    batch: bool = False

    @property
    def is_async(self) -> bool:
        """Whether records run as coroutines of one event loop."""
        return inspect.iscoroutinefunction(self.function)

    @property
    def doc(self) -> str:
        """The function's docstring, shown beside the choice in the admin."""
        return inspect.getdoc(self.function) or ""

    def clean_options(self, data: Mapping[str, Any]) -> Any:
        """The validated options as the handler gets them in `context.options`.

        A dict of cleaned data for a Form, an instance for a dataclass, {} without options.
        Raises InvalidOptions with a list of sentences per option.
        """
        return clean_options(self.options, data)

    def check_options(self, data: Mapping[str, Any]) -> None:
        """Judge a definition's options, in which `env:NAME` may stand for a value.

        Raises InvalidOptions.
        """
        check_options(self.options, data)

    def resolved_options(self, data: Mapping[str, Any], read: Callable[[str], str | None]) -> Any:
        """As `clean_options`, with `env:NAME` replaced by what `read` gives for NAME."""
        return resolved_options(self.options, data, read)


def handler(
    label: str,
    *,
    effects: Effects = "outside",
    options: OptionsClass | None = None,
    batch: bool = False,
) -> Callable[[Function], Function]:
    """Register a function as a handler, to be chosen by `label` in the admin.

    `effects` says what repeating it would mean: "outside" (at least once; use
    `context.idempotency_key`), "database" (runs in the transaction that records its outcome:
    once in effect), "unrepeatable" (never repeated by the machine). `options` is a Django Form
    or a dataclass. With `batch` it gets a list of records and returns a list of outcomes.
    """
    if effects not in EFFECTS:
        raise InvalidHandler(f"effects={effects!r}: choose one of {', '.join(EFFECTS)}.")

    def register(function: Function) -> Function:
        refuse_impossible(function, effects, batch=batch)
        registry.add(Handler(handler_name(function), label, function, effects, options, batch))
        return function

    return register


def refuse_impossible(function: Callable[..., Any], effects: Effects, *, batch: bool) -> None:
    """Combinations whose promise could not be kept."""
    name = handler_name(function)
    if effects == "database" and inspect.iscoroutinefunction(function):
        raise InvalidHandler(f"{name}: an async handler cannot share the database transaction.")
    if batch and effects != "outside":
        raise InvalidHandler(f"{name}: a batch handler must have effects='outside'.")


def handler_name(function: Callable[..., Any]) -> str:
    """`anyapp.send_order`: the label of the app it lives in and the function's name."""
    app = apps.get_containing_app_config(function.__module__) if apps.apps_ready else None
    label = app.label if app else function.__module__.partition(".")[0]
    return f"{label}.{function.__name__}"
