"""What the database holds beside what the reference expects of it."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from processors.ledger_check import QUESTIONS, check
from processors.models import Attempt, Batch, Processor, Record, Run
from processors.states import COUNTERS
from tests.handling.models import Effect
from tests.model.reference import Hand, Reference
from tests.tables import Table

# These order by time what only a clock that never goes back orders rightly.
BY_TIME = {"nothing_opens_after_stop", "pauses_are_kept"}
# This wants somebody to tick now and then.
TICKED = {"owners_are_alive"}
# This looks up the schema, which no act changes, and is slow.
STATIC = {"keys_are_unique"}


class Disagreement(AssertionError):
    """The protocol did not do what its reference says."""


def same(what: str, real: object, expected: object) -> None:
    if real != expected:
        raise Disagreement(f"{what}: it is {real!r}, but should be {expected!r}")


def compare(reference: Reference, goods: Table | None) -> None:
    """Everything that both know."""
    same(
        "the processor",
        Processor.objects.values_list("state", "next_due_at", "last_seq").get(),
        (reference.state, reference.due, len(reference.cycles)),
    )
    same(
        "the runs",
        list(Run.objects.order_by("seq").values_list("seq", "state", "trigger")),
        [(c.seq, c.state, c.trigger) for c in reference.cycles],
    )
    ids = dict(Record.objects.values_list("pk", "key"))
    same("the batches", batches(None if goods else ids), [batch_view(h) for h in reference.hands])
    same("the records", records(), expected_records(reference))
    lines = Attempt.objects.order_by("id").values_list("record__key", "outcome")
    same("the history", by_key(lines), by_key(reference.told))
    compare_outside(reference, goods)


def compare_outside(reference: Reference, goods: Table | None) -> None:
    """I2, I3: an effect for every success, and none else; the user's words."""
    rows = reference.rows.values()
    effects = Counter(Effect.objects.values_list("key", flat=True))
    same("the effects", dict(effects), {r.key: r.handled for r in rows if r.handled})
    if goods:
        words = {str(key): word for key, word in goods.fetch("SELECT id, status FROM goods")}
        same("the user's words", words, {r.key: r.word for r in rows})


def ask_ledger(*, ticked: bool, went_back: bool) -> None:
    """The product's own questions; they see history, so they need not be asked at each act."""
    left_out = (BY_TIME if went_back else set()) | (set() if ticked else TICKED) | STATIC
    breaches = check([q for q in QUESTIONS if q.ask.__name__ not in left_out])
    if breaches:
        raise Disagreement("\n".join(map(str, breaches)))


def batches(ids: dict[int, str] | None) -> list[tuple[Any, ...]]:
    """As `batch_view`. Of an inbox, a batch lists ids of records; of a table, keys of rows."""
    views = []
    for batch in Batch.objects.select_related("run").defer("run__config").order_by("id"):
        keys = [str(k) if ids is None else ids[int(k)] for k in batch.open_keys]
        counted = {n: batch.counters[n] for n in COUNTERS if batch.counters[n]}
        closed = batch.close_reason
        views.append((batch.run.seq, batch.slot, closed, counted, keys, batch.in_hand))
    return views


def batch_view(hand: Hand) -> tuple[Any, ...]:
    keys = [row.key for row in hand.rest]
    marked = 0 if hand.closed else hand.marked
    counted = {n: c for n, c in hand.counts.items() if c}
    return hand.cycle.seq, hand.slot, hand.closed, counted, keys, marked


def records() -> dict[str, Any]:
    names = ("key", "state", "attempts", "crashes", "alone", "available_at")
    return {row[0]: record_view(*row[1:]) for row in Record.objects.values_list(*names)}


def expected_records(reference: Reference) -> dict[str, Any]:
    return {
        r.key: record_view(
            r.state if r.remembered or r.state != "ready" else "done",
            r.attempts,
            r.crashes,
            r.alone,
            r.available_at,
        )
        for r in reference.rows.values()
        if r.noted
    }


def record_view(state: str, attempts: int, crashes: int, alone: bool, at: Any) -> tuple[Any, ...]:
    """What counts of a record: a finished one waits for nothing."""
    if state != "ready":
        return state, attempts, crashes
    return state, attempts, crashes, bool(alone), at


def by_key(lines: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Each record's history in its order, whatever happened to others meanwhile."""
    return sorted(lines, key=lambda line: line[0])
