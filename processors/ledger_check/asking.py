"""Ask questions of the ledger in one snapshot."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import connection, connections, transaction

from processors.clock import as_utc, database_now
from processors.sources.dialect import Dialect

SHOWN = 100  # rows that a question names; one more than this and it says so
# Retention removes nothing younger than a day, so what is younger must be there, and add up.
WHOLE = timedelta(days=1)


@dataclass(frozen=True)
class Breach:
    """A row that breaks an invariant; `sentence` says how, for a person."""

    invariant: str
    row: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.row}: {self.sentence}"


@dataclass(frozen=True)
class Asked:
    """When it is asked, and how far back history is looked at (None: to its beginning)."""

    now: datetime
    since: datetime | None

    @property
    def whole_since(self) -> datetime:
        """From when on nothing can have been removed."""
        return self.now - WHOLE

    @property
    def since_moment(self) -> Any:
        """`since` as a parameter of plain SQL."""
        beginning = self.since or as_utc("1970-01-01 00:00:00")
        return Dialect("default").moment(beginning)

    @property
    def whole_moment(self) -> Any:
        """`whole_since` as a parameter of plain SQL."""
        return Dialect("default").moment(self.whole_since)


@dataclass(frozen=True)
class Question:
    """An invariant and the function that finds what breaks it: (row, sentence) pairs."""

    invariant: str
    ask: Callable[[Asked], Iterable[tuple[str, str]]]

    def breaches(self, asked: Asked) -> list[Breach]:
        """The first of them; where there are more, the last line says so."""
        found = list(islice(self.ask(asked), SHOWN + 1))
        breaches = [Breach(self.invariant, row, sentence) for row, sentence in found[:SHOWN]]
        if len(found) > SHOWN:
            breaches.append(Breach(self.invariant, "…", f"and more than these {SHOWN}"))
        return breaches


def check(questions: Sequence[Question], *, whole_history: bool = False) -> list[Breach]:
    """Everything that is broken, empty where all is well.

    Looks back one day; with `whole_history` to the beginning, which costs a pass over every run,
    batch and attempt. Either way one pass over the records, for those in hand.
    """
    with snapshot():
        now = database_now()
        asked = Asked(now, None if whole_history else now - WHOLE)
        return [breach for question in questions for breach in question.breaches(asked)]


@contextmanager
def snapshot() -> Iterator[None]:
    """A transaction in which every question sees the same instant, and that blocks nobody.

    In a transaction of the caller's it is left at what that one sees.
    """
    if connection.in_atomic_block:
        yield
        return
    with reading_only(), transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


@contextmanager
def reading_only() -> Iterator[None]:
    """On SQLite our transactions begin as writers; one that only reads must not lock them out."""
    own: Any = connections["default"]
    own.ensure_connection()  # which reads the mode from the settings
    if own.vendor != "sqlite":
        yield
        return
    mode, own.transaction_mode = own.transaction_mode, "DEFERRED"
    try:
        yield
    finally:
        own.transaction_mode = mode


def select(sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """The first rows of a statement: as many as are shown, and one more."""
    return Dialect("default").fetch(f"{sql}\n LIMIT {SHOWN + 1}", params)
