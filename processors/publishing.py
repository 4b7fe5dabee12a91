"""Put records into inboxes, and find them again: what other programs of the house use.

Everything or nothing: a batch with one bad record stores none. The same key with the same
payload is known and stored once; with another payload it is refused.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from processors import queues
from processors.afterwards import after_commit
from processors.clock import database_now
from processors.models import Processor, Record, Run
from processors.models.processor import TriggerKind
from processors.protocol import arriving, cycles
from processors.screening import (
    InvalidRecord,
    PublishingError,
    check_key,
    check_payload,
    check_priority,
    check_time,
)
from processors.sources import arrivals
from processors.sources.arrivals import Prepared
from processors.states import RecordState

CHUNK = 5_000  # records
CHUNK_CHARACTERS = 8_000_000
USUAL_FIELDS = frozenset({"key", "payload"})
KNOWN_FIELDS = frozenset({"key", "payload", "priority", "available_at", "expires_at"})


class UnknownTarget(PublishingError):
    """No inbox has this slug or topic."""

    def __init__(self, target: str) -> None:
        super().__init__(
            _("No processor with an inbox has the slug or topic %(target)r.") % {"target": target}
        )


class KeyTaken(PublishingError):
    """A key exists with another payload."""

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = list(keys)
        shown = ", ".join(repr(key) for key in self.keys[:5])
        more = (
            _(" and %(count)s more") % {"count": len(self.keys) - 5} if len(self.keys) > 5 else ""
        )
        super().__init__(
            _(
                "Key %(shown)s%(more)s exists with another payload. Nothing was stored; "
                "publish it under a new key."
            )
            % {"shown": shown, "more": more}
        )


@dataclass(frozen=True)
class Published:
    """How many records were stored, and how many were there already."""

    new: int
    known: int


@dataclass(frozen=True)
class RecordView:
    """A record as its publisher sees it.

    `error` says why it is not done, or not yet; `history` are lines for people, failed tries
    of a record that is done among them.
    """

    key: str
    state: str
    attempts: int
    result: Any
    error: str
    updated_at: datetime
    history: list[str]


def publish(
    target: str, items: Iterable[Mapping[str, Any]], *, read_ahead: bool = False
) -> Published:
    """Store records in the inbox of a processor (its slug) or of all that share a topic.

    Each item: `key` (text), `payload` (an object), and optionally `priority` (0 to 9, 9 first),
    `available_at` and `expires_at` (aware datetimes or ISO 8601 with a zone). With several
    listeners the numbers add up over them. Raises UnknownTarget, InvalidRecord, KeyTaken.
    With `read_ahead`, items are read in a thread while others are stored: for files, not for
    generators that use the database.
    """
    if not isinstance(items, Sequence) or len(items) > arriving.FEW:
        return publish_all(target, prepare_all(target, items), read_ahead=read_ahead)
    few = prepare_few(target, items)
    if (arrival := arriving.arrive(target, few)) is None:
        return publish_all(target, iter(few))
    take_up_arrival(arrival)
    return Published(len(few), 0)


def prepare_few(target: str, items: Sequence[Mapping[str, Any]]) -> list[Prepared]:
    """All of them at once. Raises UnknownTarget sooner than InvalidRecord, as for many."""
    try:
        return list(prepare_all(target, items))
    except InvalidRecord:
        find_listeners(target)
        raise


def publish_all(
    target: str, prepared: Iterator[Prepared], *, read_ahead: bool = False
) -> Published:
    """The usual way: however many, for however many listeners, known or not."""
    ours = not connection.in_atomic_block
    with transaction.atomic():
        listeners = find_listeners(target, keep=True)
        published = insert_all(listeners, prepared, read_ahead=read_ahead)
        if published.new:
            for listener in listeners:
                arrived(listener, at_once=ours)
    return published


def rehearse(target: str, items: Iterable[Mapping[str, Any]]) -> Published:
    """What `publish` would say and raise, by doing it and taking it back: nothing is stored."""
    with transaction.atomic():
        published = insert_all(find_listeners(target), prepare_all(target, items))
        transaction.set_rollback(True)
    return published


def insert_all(
    listeners: Sequence[Processor],
    prepared: Iterator[Prepared],
    *,
    read_ahead: bool = False,
) -> Published:
    """Store the items in each inbox. Raises InvalidRecord, KeyTaken."""
    new = known = 0
    for chunk in chunks(prepared, read_ahead=read_ahead):
        for listener in listeners:
            stored = insert(listener, chunk, database_now())
            new, known = new + stored.new, known + stored.known
    return Published(new, known)


def chunks(prepared: Iterator[Prepared], *, read_ahead: bool) -> Iterator[list[Prepared]]:
    """What is stored with one statement each; with `read_ahead`, the next is read meanwhile."""
    if not read_ahead:
        while chunk := next_chunk(prepared):
            yield chunk
        return
    with ThreadPoolExecutor(max_workers=1) as reader:
        following = reader.submit(next_chunk, prepared)
        while chunk := following.result():
            following = reader.submit(next_chunk, prepared)
            yield chunk


def next_chunk(prepared: Iterator[Prepared]) -> list[Prepared]:
    """So many that a statement pays, and no more than memory should hold twice."""
    chunk, size = [], 0
    for item in prepared:
        chunk.append(item)
        size += len(item.payload)
        if len(chunk) == CHUNK or size >= CHUNK_CHARACTERS:
            break
    return chunk


def find_listeners(target: str, *, keep: bool = False) -> list[Processor]:
    """The inboxes behind a slug or topic. Raises UnknownTarget.

    With `keep` none of them is deleted before the commit: see `ProcessorQuerySet.kept`.
    """
    listening = Processor.objects.listening_to(target)
    found = listening.kept() if keep else list(listening)
    if not found:
        raise UnknownTarget(target)
    return found


def prepare_all(target: str, items: Iterable[Mapping[str, Any]]) -> Iterator[Prepared]:
    """Items as prepared records; InvalidRecord names the index of a bad one."""
    for index, item in enumerate(items):
        try:
            yield prepare_item(target, item)
        except InvalidRecord as error:
            error.index = index
            raise


def prepare_item(target: str, item: Mapping[str, Any]) -> Prepared:
    """One item. Raises InvalidRecord."""
    if type(item) is dict and item.keys() == USUAL_FIELDS:  # by far the most
        return Prepared(target, check_key(item["key"]), check_payload(item["payload"]))
    if not ({"key", "payload"} <= keys_of(item)):
        raise InvalidRecord(_("Expected an object with 'key' and 'payload'."))
    unknown = sorted(set(item) - KNOWN_FIELDS)
    if unknown:
        raise InvalidRecord(
            _("Unknown field %(unknown)r: a record has %(known)s.")
            % {"unknown": unknown[0], "known": ", ".join(sorted(KNOWN_FIELDS))}
        )
    return Prepared(
        target,
        check_key(item["key"]),
        check_payload(item["payload"]),
        check_priority(item.get("priority", 0)),
        check_time("available_at", item.get("available_at")),
        check_time("expires_at", item.get("expires_at")),
    )


def keys_of(item: object) -> set[str]:
    """The names of an object's fields; none where it is no object."""
    return set(item) if isinstance(item, Mapping) else set()


def prepare(target: str, payload: Mapping[str, Any], key: str) -> Prepared:
    """What a handler published. Raises InvalidRecord."""
    return Prepared(target, check_key(key), check_payload(payload))


def insert(
    listener: Processor, chunk: Sequence[Prepared], now: datetime, *, lenient: bool = False
) -> Published:
    """Store what is new to one inbox. Raises KeyTaken unless `lenient`."""
    new = arrivals.store(listener.pk, chunk, now)
    if new < len(chunk) and not lenient:
        refuse_other_payloads(listener, chunk)
    return Published(new, len(chunk) - new)


def refuse_other_payloads(listener: Processor, chunk: Sequence[Prepared]) -> None:
    """Raise KeyTaken where a key is stored with another payload than given."""
    given = {item.key: item.payload for item in chunk}
    stored = Record.objects.filter(processor=listener, key__in=given).values_list("key", "payload")
    taken = [k for k, payload in stored if comparable(payload) != comparable(json.loads(given[k]))]
    if not taken and len(given) < len(chunk):
        payloads: dict[str, str] = {}
        taken = [i.key for i in chunk if payloads.setdefault(i.key, i.payload) != i.payload]
    if taken:
        raise KeyTaken(taken)


def comparable(value: Any) -> Any:
    """A JSON value that equals another only if it means the same.

    Postgres keeps every number as a decimal: a large float comes back as a whole number, digit
    by digit the same, which Python takes for another one. And for Python, true is 1.
    """
    if isinstance(value, dict):
        return {name: comparable(part) for name, part in value.items()}
    if isinstance(value, list):
        return [comparable(part) for part in value]
    if isinstance(value, bool):
        return f"{value}", bool
    return Decimal(repr(value)) if isinstance(value, int | float) else value


def store(outgoing: Sequence[Prepared], *, now: datetime) -> None:
    """What handlers published, in the transaction of their outcomes; known keys are left.

    Raises UnknownTarget where nobody listens any more.
    """
    for target in dict.fromkeys(item.target for item in outgoing):
        chunk = [item for item in outgoing if item.target == target]
        for listener in find_listeners(target, keep=True):
            if insert(listener, chunk, now, lenient=True).new:
                arrived(listener)


def arrived(listener: Processor, *, at_once: bool = False) -> None:
    """Records came in: a processor that handles them on arrival begins, or is woken.

    With `at_once` its cycle begins in this transaction if it can. That is for one that commits
    now: it must not keep the processor locked.
    """
    if listener.trigger_kind != TriggerKind.ARRIVAL or not listener.is_started:
        return
    if at_once and cycles.begin_arrived(listener.pk) is not None:
        return
    after_commit(lambda: take_up(listener), f"the next cycle of {listener}")


def take_up_arrival(arrival: arriving.Arrival) -> None:
    """What follows the commit of records that were stored in one statement."""
    begun = arrival.begun
    if begun is None:
        arrived(Processor.objects.get(pk=arrival.processor_id))
        return
    wanted = cycles.workers_wanted(begun.parallelism, begun.expected)
    queues.wake_on_commit(begun.run_id, begun.queue, wanted)


def take_up(listener: Processor) -> None:
    """Begin the cycle now; where one goes on, another worker may be welcome."""
    run = Run.objects.active_of(listener.pk)
    if run is not None:
        queues.relay(run.pk, run.config["queue"], listener.parallelism)
        return
    with transaction.atomic(durable=True):
        if cycles.begin_arrived(listener.pk) is not None:
            return
    Processor.objects.filter(pk=listener.pk, next_due_at__isnull=False).update(
        next_due_at=database_now()
    )
    cycles.begin_due(listener.pk)


def find_record(slug: str, key: str) -> RecordView | None:
    """What became of a published record, None where it is not known (any more).

    Raises UnknownTarget where no processor has this slug.
    """
    record = Record.objects.filter(processor__slug=slug, key=key).first()
    if record is None:
        if not Processor.objects.filter(slug=slug).exists():
            raise UnknownTarget(slug)
        return None
    lines = [
        line
        for attempt in record.history.order_by("id")
        for line in (*attempt.log, *([attempt.message] if attempt.message else []))
    ]
    return RecordView(
        key=record.key,
        state=record.state,
        attempts=record.attempts + record.crashes,
        result=record.result,
        error="" if record.state == RecordState.DONE else record.last_error,
        updated_at=record.settled_at or record.created_at,
        history=lines,
    )
