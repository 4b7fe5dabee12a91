"""I4, I5, I7, I8, I9: batches have live owners, exact counters, slots of their own, and an end."""

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db.models import F

from processors.ledger_check.asking import Asked, select
from processors.models import Batch
from processors.states import COUNTERS

Rows = Iterable[tuple[str, str]]

OUTCOMES = " + ".join(name for name in COUNTERS if name != "claimed")
# Counter → outcome of the attempts that it counts. A success writes none, or one with its log.
COUNTED = {
    "skipped": "skipped",
    "retried": "retry",
    "dead": "dead",
    "parked": "parked",
    "crashed": "crashed",
}
TALLY = ", ".join(
    f"coalesce(sum(CASE WHEN outcome = '{outcome}' THEN 1 ELSE 0 END), 0) AS {counter}"
    for counter, outcome in COUNTED.items()
)

# Closed batches whose counters do not add up.
UNBALANCED = f"""
SELECT id, claimed, {OUTCOMES}
  FROM processors_batch
 WHERE opened_at >= %s AND state = 'closed' AND claimed <> {OUTCOMES}
 ORDER BY id
"""  # noqa: S608 - from our own names only

# Batches that count something else than their attempts say. Retention removes the attempts of
# settled records after a day or more: older batches may count more, but never less.
MISCOUNTED = f"""
SELECT batch.id, {", ".join(f"batch.{name}, tally.{name}" for name in COUNTED)}
  FROM processors_batch AS batch
  JOIN (SELECT batch_id, {TALLY}
          FROM processors_attempt
         WHERE at >= %s
         GROUP BY batch_id) AS tally ON tally.batch_id = batch.id
 WHERE {" OR ".join(f"batch.{name} < tally.{name}" for name in COUNTED)}
    OR (batch.opened_at >= %s
        AND ({" OR ".join(f"batch.{name} > tally.{name}" for name in COUNTED)}))
 ORDER BY batch.id
"""  # noqa: S608 - from our own names only

# The same for batches that count failures of which there is no attempt at all.
UNTOLD = f"""
SELECT batch.id, {", ".join(f"batch.{name}, 0" for name in COUNTED)}
  FROM processors_batch AS batch
 WHERE batch.opened_at >= %s AND ({" + ".join(f"batch.{name}" for name in COUNTED)}) > 0
   AND NOT EXISTS (SELECT 1 FROM processors_attempt AS attempt WHERE attempt.batch_id = batch.id)
 ORDER BY batch.id
"""  # noqa: S608 - from our own names only

# Attempts of a batch that came after one of its successor in the same slot: a slot is free only
# when its batch is closed, so these were written too late. By ids, because clocks jump.
LATE = """
SELECT earlier, batch_id, last_id
  FROM (SELECT batch_id, first_id,
               lag(batch_id) OVER slots AS earlier, lag(last_id) OVER slots AS last_id
          FROM (SELECT batch.id AS batch_id, batch.run_id, batch.slot,
                       min(attempt.id) AS first_id, max(attempt.id) AS last_id
                  FROM processors_batch AS batch
                  JOIN processors_attempt AS attempt ON attempt.batch_id = batch.id
                 WHERE attempt.at >= %s
                 GROUP BY batch.id, batch.run_id, batch.slot) AS spans
        WINDOW slots AS (PARTITION BY run_id, slot ORDER BY batch_id)) AS neighbours
 WHERE last_id > first_id
 ORDER BY batch_id
"""

# Slots that several open batches hold.
SHARED_SLOTS = """
SELECT run_id, slot, count(*)
  FROM processors_batch
 WHERE state = 'leased'
 GROUP BY run_id, slot
HAVING count(*) > 1
"""

# Batches that were opened after somebody had stopped their run.
AFTER_STOP = """
SELECT batch.id, run.seq, processor.slug
  FROM processors_batch AS batch
  JOIN processors_run AS run ON run.id = batch.run_id
  JOIN processors_processor AS processor ON processor.id = run.processor_id
 WHERE run.started_at >= %s AND batch.opened_at > run.stop_requested_at
 ORDER BY batch.id
"""


def owners_are_alive(asked: Asked) -> Rows:
    """I4: an open batch whose lease ran out two leases ago should have been taken back."""
    before = asked.now - timedelta(seconds=2 * settings.LEASE_SECONDS)
    for batch in Batch.objects.expired(before).order_by("pk"):
        yield (
            f"batch {batch.pk}",
            f"was not taken from {batch.owner}, silent since {batch.lease_until:%m-%d %H:%M} UTC",
        )


def batch_counters_add_up(asked: Asked) -> Rows:
    """I5: what a closed batch claimed is the sum of what became of it."""
    for id_, claimed, outcomes in select(UNBALANCED, [asked.since_moment]):
        yield f"batch {id_}", f"claimed {claimed}, but its outcomes are {outcomes}"


def batch_counters_match_attempts(asked: Asked) -> Rows:
    """I5: what a batch counts, success apart, is what its attempts say."""
    params = [asked.since_moment, asked.whole_moment]
    yield from map(differences, select(MISCOUNTED, params))
    yield from map(differences, select(UNTOLD, [asked.whole_moment]))


def differences(row: tuple[int, ...]) -> tuple[str, str]:
    """A batch's id, then counter and attempts in turns, as a sentence."""
    pairs = zip(COUNTED, row[1::2], row[2::2], strict=True)
    said = [f"{count} {name} but {told} attempts" for name, count, told in pairs if count != told]
    return f"batch {row[0]}", f"counts {', '.join(said)}"


def closed_batches_write_nothing(asked: Asked) -> Rows:
    """I7: no attempt comes after its batch is closed.

    Where no other batch followed in the slot, a late attempt shows as one not counted (I5).
    """
    for earlier, later, last_id in select(LATE, [asked.since_moment]):
        yield (
            f"batch {earlier}",
            f"wrote attempt {last_id} after batch {later} had begun in its slot",
        )


def slots_are_held_once(_: Asked) -> Rows:
    """I8: the open batches of a run hold different slots."""
    for run_id, slot, count in select(SHARED_SLOTS):
        yield f"run {run_id}", f"{count} open batches hold slot {slot}"


def slots_are_within_parallelism(_: Asked) -> Rows:
    """I8: nobody opened a batch beyond the limit in force (a limit lowered since counts not)."""
    beyond = Batch.objects.leased().filter(
        slot__gte=F("run__processor__parallelism"),
        opened_at__gt=F("run__processor__changed_at"),
    )
    for batch in beyond.select_related("run__processor").order_by("pk"):
        limit = batch.run.processor.parallelism
        yield f"batch {batch.pk}", f"holds slot {batch.slot}, but only {limit} may be open at once"


def nothing_opens_after_stop(asked: Asked) -> Rows:
    """I9: after the commit of Stop no batch of the run is opened."""
    for id_, seq, slug in select(AFTER_STOP, [asked.since_moment]):
        yield f"batch {id_}", f"was opened after run {seq} of {slug} had been stopped"
