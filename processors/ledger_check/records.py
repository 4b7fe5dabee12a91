"""I1, I4, I14, I15: every record is in exactly one place, and in hand only of an open batch."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

from processors.ledger_check.asking import Asked, select
from processors.models import IN_LANE, Batch, Processor, Record
from processors.models.record import PRIORITIES
from processors.protocol.reaping import MAX_CRASHES
from processors.sources.dialect import Dialect
from processors.states import BatchState

Rows = Iterable[tuple[str, str]]

# Keys that a processor has twice: impossible while the constraint is there.
REPEATED_KEYS = """
SELECT processor_id, key, count(*)
  FROM processors_record
 GROUP BY processor_id, key
HAVING count(*) > 1
"""

# Records in hand. The one question that passes over all records: an index for it would slow
# every claim.
IN_HAND = """
SELECT record.id, record.key, record.batch_id, batch.state
  FROM processors_record AS record
  LEFT JOIN processors_batch AS batch ON batch.id = record.batch_id
 WHERE record.state = 'claimed'
"""

# Records whose worker died more often than allowed, by their lines of history.
CRASHED_TOO_OFTEN = """
SELECT DISTINCT record.id, record.key, record.crashes
  FROM processors_attempt AS attempt
  JOIN processors_record AS record ON record.id = attempt.record_id
 WHERE attempt.at >= %s AND attempt.outcome IN ('crashed', 'dead', 'parked')
   AND record.crashes > %s
"""


# Records that were set aside, but in no lane that a claim asks.
OUT_OF_LANE = """
SELECT record.id, record.key, record.processor_id
  FROM processors_record AS record
  LEFT JOIN processors_lane AS lane
    ON lane.id = record.lane_id AND lane.processor_id = record.processor_id AND lane.waits
 WHERE record.waits AND NOT record.alone AND record.lane_id IS NOT NULL AND lane.id IS NULL
"""


def keys_are_unique(_: Asked) -> Rows:
    """I1: a processor has a key once. Passes over the records only where nothing enforces it."""
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, "processors_record")
    enforced = [c["columns"] for c in constraints.values() if c["unique"]]
    if ["processor_id", "key"] in enforced:
        return
    yield "processors_record", "the constraint record_key_once is missing: run `manage.py migrate`"
    for processor_id, key, count in select(REPEATED_KEYS):
        yield f"key {key} of processor {processor_id}", f"is there {count} times"


def lanes_know_what_waits_in_them(_: Asked) -> Rows:
    """I1: what was set aside for its key's limit is found again by the claim that has room."""
    lost = "waits for a limit of its key, in no lane that a claim would ask"
    for id_, key, processor_id in select(OUT_OF_LANE):
        yield f"record {id_} ({key}) of processor {processor_id}", lost
    for processor in Processor.objects.order_by("pk"):
        aside = Record.objects.filter(processor=processor, available_at=IN_LANE)
        # By the index of what may be claimed, a probe for each priority.
        usual = aside.filter(waits=True, alone=False, priority__in=PRIORITIES)
        for record in usual.filter(lane__isnull=True).order_by("id"):
            yield f"record {record.pk} ({record.key}) of processor {processor.pk}", lost


def batches_and_records_agree(_: Asked) -> Rows:
    """I1, I4: a record in hand belongs to an open batch that lists it, and the other way round.

    Of a table's batch only those records are ours that there is something to remember about.
    """
    held: dict[int, dict[int, str]] = defaultdict(dict)
    for id_, key, batch_id, state in Dialect("default").fetch(IN_HAND, []):
        if state == BatchState.LEASED:
            held[batch_id][id_] = key
        else:
            what = f"batch {batch_id}, which is {state or 'gone'}" if batch_id else "no batch"
            yield f"record {id_} ({key})", f"is in hand of {what}"
    for batch in Batch.objects.leased().select_related("run").order_by("pk"):
        yield from disagreements(batch, held[batch.pk])


def disagreements(batch: Batch, held: dict[int, str]) -> Iterator[tuple[str, str]]:
    """What an open batch lists and what it has in hand (id → key), where they differ."""
    listed = {str(key) for key in batch.open_keys}
    is_inbox = batch.run.config["source"]["kind"] == "inbox"
    for id_, key in held.items():
        if (str(id_) if is_inbox else key) not in listed:
            yield f"record {id_} ({key})", f"is not an open key of batch {batch.pk}"
    if is_inbox:
        for id_ in sorted(int(key) for key in listed if int(key) not in held):
            yield f"batch {batch.pk}", f"lists record {id_}, which it has not in hand"


def crashes_are_bounded(asked: Asked) -> Rows:
    """I14: no record has ended more workers than allowed."""
    for id_, key, crashes in select(CRASHED_TOO_OFTEN, [asked.since_moment, MAX_CRASHES]):
        yield (
            f"record {id_} ({key})",
            f"was in hand of {crashes} lost workers, at most {MAX_CRASHES} are allowed",
        )


def outcomes_are_told(asked: Asked) -> Rows:
    """I15: a table in another database has heard of every outcome within two leases."""
    yield from unsynced(asked.now - timedelta(seconds=2 * settings.LEASE_SECONDS))


def every_outcome_is_told(asked: Asked) -> Rows:
    """I15, at rest: of every outcome."""
    yield from unsynced(asked.now + timedelta(days=1))


def unsynced(before: datetime) -> Rows:
    """Outcomes from before a time that their tables have not heard; by the index on them."""
    for processor in Processor.objects.exclude(source_kind="inbox"):
        rows = Record.objects.filter(processor=processor, synced=False, settled_at__lt=before)
        for record in rows.order_by("id").iterator():
            yield (
                f"record {record.pk} ({record.key})",
                f"is {record.state}, which the table of {processor.slug} has not heard",
            )
