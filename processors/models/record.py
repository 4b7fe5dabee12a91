"""A record: one thing to treat.

For an inbox every record is a row here. For a table the user's own row is the record, and a row
here exists only while there is something to remember about it: a retry, a dead letter, a doubt.
"""

from typing import Any

from django.db import models
from django.db.models import Case, ExpressionWrapper, Q, When
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy

from processors.models.door import Move, move
from processors.models.event import Event
from processors.models.processor import Processor
from processors.querysets import RecordQuerySet
from processors.states import RECORD_MOVES, RecordState

PRIORITIES = range(10)  # 9 is served first


class Record(models.Model):
    """One thing to treat, or what is remembered of one."""

    # Found by the index on (processor, key): an index of its own would slow every write. And
    # without a constraint in the database: looking the processor up for every published record
    # costs as much as storing it, and PROTECT keeps processors that have records.
    processor = models.ForeignKey(
        Processor, models.PROTECT, related_name="records", db_index=False, db_constraint=False
    )
    key = models.CharField(max_length=200)
    # (Plain integers here: the checks of positive ones would be made again with every claim.)
    # Which request for this key this is; a new one has a new idempotency key.
    visit = models.BigIntegerField(default=1)
    state = models.CharField(max_length=10, choices=RecordState.choices, default=RecordState.READY)
    payload = models.JSONField(null=True, blank=True)
    result = models.JSONField(null=True, blank=True)
    priority = models.SmallIntegerField(default=0)
    available_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    attempts = models.IntegerField(gettext_lazy("attempts"), default=0)
    crashes = models.IntegerField(default=0)
    # An earlier try may have reached the outside: told to the handler, kept over a person's retry.
    maybe_seen = models.BooleanField(default=False)
    # Travels in a batch of one, because it may be what ended its last worker.
    alone = models.BooleanField(default=False)
    # Without a constraint in the database: checking it for every claimed row costs more than
    # the claim itself, and check_ledger looks after it.
    batch = models.ForeignKey(
        "processors.Batch",
        models.DO_NOTHING,
        null=True,
        blank=True,
        related_name="records",
        db_constraint=False,
        db_index=False,
    )
    # Where it waits because its key has used up a limit of its own; without a constraint, and an
    # index, in the database, as the batch.
    lane = models.ForeignKey(
        "processors.Lane",
        models.DO_NOTHING,
        null=True,
        blank=True,
        related_name="records",
        db_constraint=False,
        db_index=False,
    )
    # False while a foreign table has not yet been told of the outcome.
    synced = models.BooleanField(default=True)
    last_error = models.TextField(blank=True, default="")
    # The kind of the last error, so that failures are grouped without their history. Null for
    # what never failed: an insert need not name them.
    error_type = models.CharField(max_length=200, null=True, blank=True)  # noqa: DJ001
    fingerprint = models.CharField(max_length=32, null=True, blank=True)  # noqa: DJ001
    created_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True, blank=True)

    # What the indexes ask, as columns that a plain success never changes: an index that names the
    # state or its time, were it only in its condition, would have to be written with every move.
    waits = models.GeneratedField(
        expression=ExpressionWrapper(Q(state="ready"), output_field=models.BooleanField()),
        output_field=models.BooleanField(),
        db_persist=True,
    )
    # When it failed for good; null for all others.
    failed_at = models.GeneratedField(
        expression=Case(
            When(state__in=["dead", "parked"], then=Coalesce("settled_at", "created_at"))
        ),
        output_field=models.DateTimeField(null=True),
        db_persist=True,
    )

    objects = RecordQuerySet.as_manager()

    class Meta:
        verbose_name = gettext_lazy("record")
        verbose_name_plural = gettext_lazy("records")
        ordering = ("-id",)
        default_permissions = ("view", "add")
        permissions = (
            ("view_payload", "Can see the payload of a record"),
            ("edit_payload", "Can edit the payload of a failed record"),
            ("reprocess_record", "Can have a finished record handled anew"),
        )
        constraints = (
            models.UniqueConstraint(fields=["processor", "key"], name="record_key_once"),
            models.CheckConstraint(condition=~Q(key=""), name="record_key_not_empty"),
            models.CheckConstraint(
                condition=~Q(state="claimed") | Q(batch__isnull=False),
                name="record_claimed_has_batch",
            ),
            models.CheckConstraint(
                condition=Q(priority__range=(0, 9)), name="record_priority_range"
            ),
            models.CheckConstraint(
                condition=Q(state__in=RecordState.values), name="record_state_known"
            ),
        )
        indexes = (
            # What may be claimed next?
            models.Index(
                fields=["processor", "priority", "available_at", "id"],
                condition=Q(waits=True, alone=False),
                name="record_ready",
            ),
            models.Index(
                fields=["processor", "available_at", "id"],
                condition=Q(waits=True, alone=True),
                name="record_ready_alone",
            ),
            # What waits in a lane, and which of it goes first?
            models.Index(
                fields=["processor", "lane", "-priority", "id"],
                condition=Q(waits=True, alone=False, lane__isnull=False),
                name="record_in_lane",
            ),
            # What needs a person, newest first?
            models.Index(
                fields=["processor", "-failed_at", "-id"],
                condition=Q(failed_at__isnull=False),
                name="record_needs_attention",
            ),
            # The same of all processors.
            models.Index(
                fields=["-failed_at", "-id"],
                condition=Q(failed_at__isnull=False),
                name="record_needs_attention_all",
            ),
            # What failed with one kind of error?
            models.Index(
                fields=["processor", "fingerprint", "-failed_at", "-id"],
                condition=Q(failed_at__isnull=False),
                name="record_of_error",
            ),
            # What waits for another try?
            models.Index(
                fields=["-id"], condition=Q(waits=True, maybe_seen=True), name="record_retrying"
            ),
            # Which outcomes does a foreign table not know yet?
            models.Index(
                fields=["processor", "id"], condition=Q(synced=False), name="record_unsynced"
            ),
        )

    def __str__(self) -> str:
        return self.key

    def retry(self, how: Move) -> None:
        """Back to ready with fresh attempts, under the same idempotency key."""
        self._move(
            RecordState.READY,
            "retry",
            how,
            attempts=0,
            crashes=0,
            alone=False,
            lane=None,
            maybe_seen=True,
            available_at=how.now,
            settled_at=None,
        )

    def discard(self, how: Move) -> None:
        """Not to be handled any more."""
        self._move(RecordState.SKIPPED, "discard", how, settled_at=how.now)

    def settle(self, how: Move) -> None:
        """A person found out that a doubtful record was done."""
        self._move(RecordState.DONE, "settle", how, settled_at=how.now, last_error="")

    def edit(self, payload: dict[str, Any], how: Move) -> None:
        """Retry with another payload: a new request, with an idempotency key of its own."""
        told = {"payload": {"before": self.payload, "after": payload}, "visit": self.visit + 1}
        fields = self.afresh(how) | {"payload": payload}
        self._move(RecordState.READY, "edit-payload", how, details=told, **fields)

    def reprocess(self, how: Move) -> None:
        """Handle a finished one anew: a new request, with an idempotency key of its own."""
        told = {"result": self.result, "visit": self.visit + 1}
        fields = self.afresh(how) | {"result": None}
        self._move(RecordState.READY, "reprocess", how, details=told, **fields)

    def note_reprocessing(self, how: Move) -> None:
        """The row it stands for waits as new; its claim will tell of the new request."""
        Event.write(self.processor, "reprocess", how, record=self, from_state=self.state)

    def afresh(self, how: Move) -> dict[str, Any]:
        """The columns of a new request for the same key."""
        return {
            "visit": self.visit + 1,
            "attempts": 0,
            "crashes": 0,
            "alone": False,
            "lane": None,
            "maybe_seen": False,
            "last_error": "",
            "available_at": how.now,
            "expires_at": None,
            "settled_at": None,
        }

    def _move(
        self,
        to: str,
        action: str,
        how: Move,
        details: dict[str, Any] | None = None,
        **fields: Any,
    ) -> None:
        left = move(self, RECORD_MOVES, to, **fields)
        Event.write(
            self.processor,
            action,
            how,
            from_state=left,
            to_state=to,
            details=details,
            record=self,
        )
